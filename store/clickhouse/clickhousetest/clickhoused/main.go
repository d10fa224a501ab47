// Command clickhoused serves a ClickHouse engine over the native protocol, for
// tests that need a real one: something that a driver connects to, and that
// can be killed.
//
//	clickhoused -fetch
//	clickhoused -library FILE -path DIR [-listen ADDRESS] [-password TEXT]
//
// With -fetch it loads the engine into the cache and prints its path. Else it
// opens the folder, prints its address on a line and serves until its standard
// input ends, so that it never outlives the test that started it.
//
// Queries of all connections run one after the other; one under a name that waits
// or runs already is refused, as a real server does. Rows of an INSERT are
// gathered and inserted when the client says that they are all: what a client
// does not finish is not inserted. Compression is LZ4 where the client asks for
// compression, and any that the client chooses is read. Not served: external
// tables, server-side parameters, progress; USE and SET as statements (they
// would change all connections: settings belong to queries, the database to
// the connection).
//
// The engine knows two clusters: "one" has one shard and "two" has two, but all of
// them are the engine itself. What is asked of "two" is found twice.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest/chdb"
)

func main() {
	var (
		fetch    = flag.Bool("fetch", false, "load the engine into the cache, print its path and end")
		library  = flag.String("library", "", "the engine's `file`")
		path     = flag.String("path", "", "the `folder` of the data")
		listen   = flag.String("listen", "127.0.0.1:0", "the `address` to listen on")
		password = flag.String("password", "", "of the user default")
	)
	flag.Parse()
	var err error
	switch {
	case *fetch:
		err = fetchLibrary()
	case *library == "" || *path == "":
		flag.Usage()
		os.Exit(2)
	default:
		err = serve(*library, *path, *listen, *password)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "clickhoused:", err)
		os.Exit(1)
	}
}

func fetchLibrary() error {
	var (
		bar     *progressbar.ProgressBar
		current string
	)
	file, err := chdb.Fetch(context.Background(), func(step string, done, total int64) {
		if step != current {
			current, bar = step, progressbar.DefaultBytes(total, step)
		}
		_ = bar.Set64(done) // a terminal that does not take the bar is no reason to stop
	})
	if err != nil {
		return err
	}
	fmt.Println(file)
	return nil
}

// clusters have one shard and two, all of them this engine. That is enough to
// read and write by way of distributed tables.
const clusters = `<clickhouse>
    <tcp_port>9000</tcp_port>
    <remote_servers>
        <one>
            <shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
        </one>
        <two>
            <shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
            <shard><replica><host>127.0.0.1</host><port>9000</port></replica></shard>
        </two>
    </remote_servers>
</clickhouse>
`

func serve(library, path, listen, password string) error {
	config := filepath.Join(path, "config.xml")
	if err := os.WriteFile(config, []byte(clusters), 0o644); err != nil {
		return err
	}
	engine, err := chdb.Open(library, path, "--config-file="+config)
	if err != nil {
		return err
	}
	incoming := filepath.Join(path, "incoming") // rows of INSERTs under way
	if err := os.RemoveAll(incoming); err != nil {
		return err
	}
	if err := os.MkdirAll(incoming, 0o755); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", listen)
	if err != nil {
		return err
	}
	fmt.Println(listener.Addr())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin) // whatever ends it, the test is gone
		os.Exit(0)
	}()
	var running sync.Map
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			s := newSession(conn, engine, incoming, password, &running)
			if err := s.serve(); err != nil {
				fmt.Fprintf(os.Stderr, "clickhoused: %s: %v\n", conn.RemoteAddr(), err)
			}
		}()
	}
}
