// Package contractids makes ids of Snapup's contract of ids of other systems. Copy this file; it needs nothing else.
// The rule: docs/contract.md.
package contractids

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	maxIDChars     = 64
	maxPrefixChars = 31
)

var (
	isPrefix  = regexp.MustCompile(`^[A-Za-z0-9._:-]*$`)
	likeAHash = regexp.MustCompile(`^h[0-9a-f]{32}$`)
	nobody    = map[string]bool{
		"": true, "-": true, "0": true, "0.0": true, "-1": true, "-1.0": true,
		"00000000-0000-0000-0000-000000000000": true, "00000000000000000000000000000000": true,
		"anon": true, "anonymous": true, "guest": true, "n.a.": true, "na": true, "nan": true, "nil": true,
		"none": true, "null": true, "undefined": true, "unknown": true,
	}
)

// ContractID returns the id for a foreign text, behind a prefix such as "tt:" or "". It fails for an empty text and for a
// bad prefix.
func ContractID(text, prefix string) (string, error) {
	if text == "" {
		return "", errors.New("an empty text names nothing")
	}
	if len(prefix) > maxPrefixChars || !isPrefix.MatchString(prefix) {
		return "", fmt.Errorf("no prefix: %q", prefix)
	}
	// What is no UTF-8 becomes U+FFFD, as json.Unmarshal does it.
	bytes := []byte(string([]rune(text)))
	var encoded strings.Builder
	for _, each := range bytes {
		if isKept(each) {
			encoded.WriteByte(each)
		} else {
			fmt.Fprintf(&encoded, ":%02X", each)
		}
	}
	if len(prefix)+encoded.Len() <= maxIDChars && !likeAHash.MatchString(encoded.String()) {
		return prefix + encoded.String(), nil
	}
	digest := sha256.Sum256(bytes)
	return prefix + "h" + hex.EncodeToString(digest[:16]), nil
}

// PersonID returns the user_id of a person; "-" where nobody says who it was (empty, or a word for nobody).
func PersonID(text, prefix string) (string, error) {
	if nobody[strings.ToLower(text)] {
		return "-", nil
	}
	return ContractID(text, prefix)
}

func isKept(each byte) bool {
	return each >= 'A' && each <= 'Z' || each >= 'a' && each <= 'z' || each >= '0' && each <= '9' ||
		each == '.' || each == '_' || each == '-'
}
