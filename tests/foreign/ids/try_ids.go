// Each line: kind, hex digits of the text's UTF-16 units or `-` for none, prefix. Answers each with an id or `!`.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"unicode/utf16"

	contractids "snapup.example/ids/contractids"
)

func main() {
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), "\t")
		ask := contractids.ContractID
		if parts[0] == "person" {
			ask = contractids.PersonID
		}
		id, refused := ask(text(parts[1]), parts[2])
		if refused != nil {
			id = "!"
		}
		fmt.Println(id)
	}
}

func text(digits string) string {
	bytes, _ := hex.DecodeString(strings.TrimPrefix(digits, "-"))
	var units []uint16
	for at := 0; at+1 < len(bytes); at += 2 {
		units = append(units, uint16(bytes[at])<<8|uint16(bytes[at+1]))
	}
	return string(utf16.Decode(units))
}
