import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;

/** Each line: kind, hex digits of the text's UTF-16 units or `-` for none, prefix. Answers each with an id or `!`. */
final class TryIds {
    public static void main(String[] arguments) throws IOException {
        var lines = new BufferedReader(new InputStreamReader(System.in)).lines().toList();
        for (String line : lines) {
            String[] parts = line.split("\t", -1);
            String text = parts[1].equals("-") ? null : text(parts[1]);
            try {
                System.out.println(parts[0].equals("person")
                        ? ContractIds.personId(text, parts[2]) : ContractIds.contractId(text, parts[2]));
            } catch (IllegalArgumentException refused) {
                System.out.println("!");
            }
        }
    }

    private static String text(String digits) {
        var text = new StringBuilder();
        for (int at = 0; at < digits.length(); at += 4) text.append((char) Integer.parseInt(digits.substring(at, at + 4), 16));
        return text.toString();
    }
}
