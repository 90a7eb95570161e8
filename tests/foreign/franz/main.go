// Writes lines of standard input, `topic TAB key TAB value`, with franz-go's own defaults.
// Arguments: servers, codec. Says how many were acknowledged.
package main

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"
)

var codecs = map[string]kgo.CompressionCodec{
	"none":   kgo.NoCompression(),
	"gzip":   kgo.GzipCompression(),
	"snappy": kgo.SnappyCompression(),
	"lz4":    kgo.Lz4Compression(),
	"zstd":   kgo.ZstdCompression(),
}

func main() {
	options := []kgo.Opt{kgo.SeedBrokers(strings.Split(os.Args[1], ",")...)}
	if os.Args[2] != "default" {
		codec, known := codecs[os.Args[2]]
		if !known {
			end(fmt.Errorf("no codec %q", os.Args[2]))
		}
		options = append(options, kgo.ProducerBatchCompression(codec))
	}
	client, err := kgo.NewClient(options...)
	if err != nil {
		end(err)
	}
	defer client.Close()
	var records []*kgo.Record
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(make([]byte, 1<<20), 1<<20)
	for lines.Scan() {
		parts := strings.SplitN(lines.Text(), "\t", 3)
		records = append(records, &kgo.Record{Topic: parts[0], Key: []byte(parts[1]), Value: []byte(parts[2])})
	}
	if err := client.ProduceSync(context.Background(), records...).FirstErr(); err != nil {
		end(err)
	}
	fmt.Println(len(records))
}

func end(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
