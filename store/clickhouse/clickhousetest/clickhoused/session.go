package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/ClickHouse/ch-go/compress"
	"github.com/ClickHouse/ch-go/proto"
	"github.com/ClickHouse/clickhouse-go/v2/lib/column"
	block "github.com/ClickHouse/clickhouse-go/v2/lib/proto"

	"github.com/authtap/authtap/store/clickhouse/clickhousetest/chdb"
)

// revision of the protocol: the last before custom serialization (54454) and
// the handshake's addendum (54458), which the blocks here do not have.
const revision = 54451

// frame is the most that is compressed at once, in bytes: a server's default.
const frame = 1 << 20

// session is one connection of a client.
type session struct {
	conn       net.Conn
	reader     *proto.Reader
	out        proto.Buffer
	compressor *compress.Writer
	engine     *chdb.Engine
	incoming   string
	password   string
	running    *sync.Map // the names of queries, of all sessions

	revision int // the lower of the client's and ours
	database string
	// compressed is whether the query under way wants its blocks compressed.
	compressed bool
}

func newSession(conn net.Conn, engine *chdb.Engine, incoming, password string, running *sync.Map) *session {
	return &session{
		conn:       conn,
		reader:     proto.NewReader(conn),
		compressor: compress.NewWriter(compress.LevelZero, compress.LZ4),
		engine:     engine,
		incoming:   incoming,
		password:   password,
		running:    running,
	}
}

// serve answers the client until it leaves. Errors of the engine are its
// answers; what serve returns ended the connection.
func (s *session) serve() error {
	if err := s.hello(); err != nil {
		return fmt.Errorf("hello: %w", err)
	}
	for {
		code, err := s.reader.UVarInt()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		switch proto.ClientCode(code) {
		case proto.ClientCodePing:
			proto.ServerCodePong.Encode(&s.out)
			err = s.flush()
		case proto.ClientCodeCancel: // of a query that is already answered
		case proto.ClientCodeQuery:
			err = s.query()
		default:
			err = fmt.Errorf("packet %d where a query may come", code)
		}
		if err != nil {
			return err
		}
	}
}

func (s *session) hello() error {
	var hello proto.ClientHello
	code, err := s.reader.UVarInt()
	if err != nil {
		return err
	}
	if proto.ClientCode(code) != proto.ClientCodeHello {
		return fmt.Errorf("the first packet is %d", code)
	}
	if err := hello.Decode(s.reader); err != nil {
		return err
	}
	s.revision = min(hello.ProtocolVersion, revision)
	if hello.User != "default" || hello.Password != s.password {
		return s.refuse(&chdb.Exception{Code: chdb.AuthenticationFailed, Message: "DB::Exception: " + hello.User +
			": Authentication failed: password is incorrect, or there is no user with such name. (AUTHENTICATION_FAILED)"})
	}
	if s.database = hello.Database; s.database == "" {
		s.database = "default"
	}
	// As a real server, refuse an unknown database here.
	version, err := s.engine.Query(s.database, nil, "SELECT version()", "TSV")
	if err != nil {
		return s.refuse(err)
	}
	answer := proto.ServerHello{Name: "ClickHouse", Revision: revision, Timezone: "UTC", DisplayName: "clickhoused"}
	if _, err := fmt.Sscanf(string(version), "%d.%d.%d", &answer.Major, &answer.Minor, &answer.Patch); err != nil {
		return fmt.Errorf("the engine's version %q: %w", version, err)
	}
	answer.EncodeAware(&s.out, s.revision)
	return s.flush()
}

// refuse answers with an exception and ends the connection.
func (s *session) refuse(err error) error {
	return errors.Join(err, s.fail(err))
}

// fail answers a query with an exception.
func (s *session) fail(err error) error {
	var x *chdb.Exception
	if !errors.As(err, &x) {
		return err
	}
	proto.ServerCodeException.Encode(&s.out)
	(&proto.Exception{Code: proto.Error(x.Code), Name: "DB::Exception", Message: x.Message}).EncodeAware(&s.out, s.revision)
	return s.flush()
}

func (s *session) query() error {
	var q proto.Query
	if err := q.DecodeAware(s.reader, s.revision); err != nil {
		return fmt.Errorf("query: %w", err)
	}
	s.compressed = q.Compression == proto.CompressionEnabled
	// External tables follow, and an empty block.
	var external int
	for {
		b, err := s.next()
		if err != nil {
			return fmt.Errorf("query: %w", err)
		}
		if b == nil {
			return nil
		}
		if len(b.Columns) == 0 {
			break
		}
		external++
	}
	if external > 0 {
		return s.fail(&chdb.Exception{Code: chdb.NotImplemented, Message: "DB::Exception: no external tables here. (NOT_IMPLEMENTED)"})
	}
	if q.ID != "" {
		if _, runs := s.running.LoadOrStore(q.ID, true); runs {
			return s.fail(&chdb.Exception{Code: chdb.QueryRuns, Message: "DB::Exception: Query with id = " + q.ID + " is already running. (QUERY_WITH_SAME_ID_IS_ALREADY_RUNNING)"})
		}
		defer s.running.Delete(q.ID)
	}
	settings := make([]chdb.Setting, len(q.Settings))
	for i, set := range q.Settings {
		settings[i] = chdb.Setting{Name: set.Key, Value: set.Value, Optional: !set.Important}
	}
	if m := insertion.FindStringSubmatch(q.Body); m != nil {
		return s.insert(insert{table: m[1], columns: m[2], clause: m[3], settings: settings})
	}
	rows, err := s.engine.Query(s.database, settings, q.Body, "Native")
	if err != nil {
		return s.fail(err)
	}
	if len(rows) == 0 {
		// A query without rows still owes its columns; for a statement that is
		// no query, DESCRIBE is a syntax error.
		if columns, err := s.describe(q.Body, settings); err == nil {
			s.header(columns)
		}
	}
	if err := s.rows(rows); err != nil {
		return s.fail(err)
	}
	proto.ServerCodeEndOfStream.Encode(&s.out)
	return s.flush()
}

// rows sends blocks in the Native format.
func (s *session) rows(native []byte) error {
	r := proto.NewReader(bytes.NewReader(native))
	for first := true; ; first = false {
		b := newBlock()
		if err := b.Decode(r, 0); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return &chdb.Exception{Code: chdb.NotImplemented, Message: "DB::Exception: " + err.Error()}
		}
		if first {
			columns := make([]described, len(b.Columns))
			for i, c := range b.Columns {
				columns[i] = described{name: c.Name(), kind: string(c.Type())}
			}
			s.header(columns)
		}
		var buf proto.Buffer
		if err := b.Encode(&buf, uint64(s.revision)); err != nil {
			return fmt.Errorf("encoding rows: %w", err)
		}
		s.data(buf.Buf)
		if err := s.flush(); err != nil {
			return err
		}
	}
}

// described is a column as DESCRIBE gives it.
type described struct{ name, kind string }

// describe asks for the columns of a query.
func (s *session) describe(query string, settings []chdb.Setting) ([]described, error) {
	query = strings.TrimRight(query, "; \t\r\n")
	// The line end closes a comment.
	native, err := s.engine.Query(s.database, settings, "DESCRIBE TABLE ("+query+"\n)", "Native")
	if err != nil {
		return nil, err
	}
	r := proto.NewReader(bytes.NewReader(native))
	var columns []described
	for {
		b := newBlock()
		if err := b.Decode(r, 0); errors.Is(err, io.EOF) {
			return columns, nil
		} else if err != nil {
			return nil, err
		}
		for i := range b.Rows() { // the first two columns are name and type
			columns = append(columns, described{
				name: fmt.Sprint(b.Columns[0].Row(i, false)),
				kind: fmt.Sprint(b.Columns[1].Row(i, false)),
			})
		}
	}
}

// header puts a block without rows into the output. Encoding a block of that
// kind would write prefixes of columns that readers do not expect there.
func (s *session) header(columns []described) {
	var buf proto.Buffer
	proto.Block{Info: proto.BlockInfo{BucketNum: -1}, Columns: len(columns)}.EncodeAware(&buf, s.revision)
	for _, c := range columns {
		buf.PutString(c.name)
		buf.PutString(c.kind)
	}
	s.data(buf.Buf)
}

// data puts an encoded block into the output.
func (s *session) data(encoded []byte) {
	proto.ServerCodeData.Encode(&s.out)
	s.out.PutString("") // no temporary table
	if !s.compressed {
		s.out.PutRaw(encoded)
		return
	}
	for len(encoded) > 0 {
		n := min(len(encoded), frame)
		if err := s.compressor.Compress(encoded[:n]); err != nil {
			panic(err) // LZ4 into a buffer of its bound
		}
		s.out.PutRaw(s.compressor.Data)
		encoded = encoded[n:]
	}
}

func (s *session) flush() error {
	_, err := s.conn.Write(s.out.Buf)
	s.out.Reset()
	return err
}

// next reads a block of the client; nil says that the client cancelled.
func (s *session) next() (*block.Block, error) {
	code, err := s.reader.UVarInt()
	if err != nil {
		return nil, err
	}
	switch proto.ClientCode(code) {
	case proto.ClientCodeCancel:
		return nil, nil
	case proto.ClientCodeData:
	default:
		return nil, fmt.Errorf("packet %d where a block should come", code)
	}
	var data proto.ClientData
	if err := data.DecodeAware(s.reader, s.revision); err != nil {
		return nil, err
	}
	if s.compressed {
		s.reader.EnableCompression()
		defer s.reader.DisableCompression()
	}
	b := newBlock()
	return b, b.Decode(s.reader, uint64(s.revision))
}

func newBlock() *block.Block {
	return &block.Block{ServerContext: &column.ServerContext{Timezone: time.UTC}}
}
