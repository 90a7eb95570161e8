import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Locale;
import java.util.Set;

/** Ids of other systems → ids of Snapup's contract. Copy this file; it needs Java 17 alone. The rule: docs/contract.md. */
public final class ContractIds {
    private static final int MAX_ID_CHARS = 64;
    private static final int MAX_PREFIX_CHARS = 31;
    private static final Set<String> NOBODY = Set.of(
            "-", "0", "0.0", "-1", "-1.0", "00000000-0000-0000-0000-000000000000", "0".repeat(32),
            "anon", "anonymous", "guest", "n.a.", "na", "nan", "nil", "none", "null", "undefined", "unknown");

    private ContractIds() {}

    /** The id for a foreign text, behind a prefix such as "tt:" or "". Throws for an empty text and for a bad prefix. */
    public static String contractId(String text, String prefix) {
        if (text.isEmpty()) throw new IllegalArgumentException("an empty text names nothing");
        if (prefix.length() > MAX_PREFIX_CHARS || !prefix.matches("[A-Za-z0-9._:-]*"))
            throw new IllegalArgumentException("no prefix: " + prefix);
        byte[] bytes = utf8(text);
        StringBuilder encoded = new StringBuilder();
        for (byte each : bytes) {
            char letter = (char) (each & 0xff);
            if (isKept(letter)) encoded.append(letter);
            else encoded.append(String.format(":%02X", each & 0xff));
        }
        boolean isLikeAHash = encoded.toString().matches("h[0-9a-f]{32}");
        if (prefix.length() + encoded.length() <= MAX_ID_CHARS && !isLikeAHash) return prefix + encoded;
        StringBuilder hash = new StringBuilder(prefix).append('h');
        byte[] digest = sha256(bytes);
        for (int index = 0; index < 16; index++) hash.append(String.format("%02x", digest[index] & 0xff));
        return hash.toString();
    }

    /** The user_id of a person; "-" where nobody says who it was (null, empty, or a word for nobody). */
    public static String personId(String text, String prefix) {
        if (text == null || text.isEmpty() || NOBODY.contains(text.toLowerCase(Locale.ROOT))) return "-";
        return contractId(text, prefix);
    }

    private static boolean isKept(char letter) {
        return letter >= 'A' && letter <= 'Z' || letter >= 'a' && letter <= 'z' || letter >= '0' && letter <= '9'
                || letter == '.' || letter == '_' || letter == '-';
    }

    /** Half of a surrogate pair becomes U+FFFD; Java's own encoder would write a question mark. */
    private static byte[] utf8(String text) {
        StringBuilder whole = new StringBuilder();
        text.codePoints().forEach(each -> whole.appendCodePoint(each >= 0xd800 && each <= 0xdfff ? 0xfffd : each));
        return whole.toString().getBytes(StandardCharsets.UTF_8);
    }

    private static byte[] sha256(byte[] bytes) {
        try {
            return MessageDigest.getInstance("SHA-256").digest(bytes);
        } catch (NoSuchAlgorithmException impossible) { // every Java has it
            throw new IllegalStateException(impossible);
        }
    }
}
