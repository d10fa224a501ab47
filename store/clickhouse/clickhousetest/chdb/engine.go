package chdb

import (
	"fmt"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// Engine is an open ClickHouse over a folder.
type Engine struct {
	mu         sync.Mutex
	connection *unsafe.Pointer
	arguments  []*byte // kept: the library may hold on to them

	queryN  func(connection unsafe.Pointer, sql string, size uintptr, format string, formatSize uintptr) unsafe.Pointer
	buffer  func(result unsafe.Pointer) unsafe.Pointer
	length  func(result unsafe.Pointer) uintptr
	failure func(result unsafe.Pointer) string
	destroy func(result unsafe.Pointer)
}

// Open loads the library and opens the folder, which is made when need be. It
// can be done once in a process, and there is no way back but its end: the
// engine survives being killed, and that is how tests end it. Arguments are
// further ones of its command line.
func Open(library, folder string, arguments ...string) (*Engine, error) {
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", library, err)
	}
	e := new(Engine)
	var connect func(argc int32, argv **byte) *unsafe.Pointer
	purego.RegisterLibFunc(&connect, handle, "chdb_connect")
	purego.RegisterLibFunc(&e.queryN, handle, "chdb_query_n")
	purego.RegisterLibFunc(&e.buffer, handle, "chdb_result_buffer")
	purego.RegisterLibFunc(&e.length, handle, "chdb_result_length")
	purego.RegisterLibFunc(&e.failure, handle, "chdb_result_error")
	purego.RegisterLibFunc(&e.destroy, handle, "chdb_destroy_query_result")
	for _, a := range append([]string{"clickhouse", "--path=" + folder}, arguments...) {
		e.arguments = append(e.arguments, &append([]byte(a), 0)[0])
	}
	e.connection = connect(int32(len(e.arguments)), &e.arguments[0])
	if e.connection == nil || *e.connection == nil {
		return nil, fmt.Errorf("the engine does not open %s", folder)
	}
	return e, nil
}

// Setting is one setting of a query.
type Setting struct {
	Name, Value string
	// Optional settings are passed over when the engine does not know them.
	Optional bool
}

// Query runs one statement in the database and gives its rows in the format,
// nothing for a statement without rows. Errors of the engine are *Exception.
func (e *Engine) Query(database string, settings []Setting, sql, format string) (rows []byte, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if _, err := e.run("USE "+Identifier(database), ""); err != nil {
		return nil, err
	}
	for _, s := range settings {
		if s.Name == "readonly" && s.Value != "0" {
			// Set for the session, it could not be taken back.
			sql += "\nSETTINGS readonly = " + s.Value
			continue
		}
		if _, err := e.run("SET "+Identifier(s.Name)+" = "+Literal(s.Value), ""); err != nil {
			if s.Optional {
				continue
			}
			return nil, err
		}
		// All queries share the engine's one session.
		defer e.run("SET "+Identifier(s.Name)+" = DEFAULT", "")
	}
	return e.run(sql, format)
}

func (e *Engine) run(sql, format string) ([]byte, error) {
	if format == "" {
		format = "Null"
	}
	result := e.queryN(*e.connection, sql, uintptr(len(sql)), format, uintptr(len(format)))
	runtime.KeepAlive(e)
	if result == nil {
		return nil, &Exception{Code: unknownException, Message: "DB::Exception: the engine gave no result"}
	}
	defer e.destroy(result)
	if text := e.failure(result); text != "" {
		return nil, exception(text)
	}
	n := e.length(result)
	if n == 0 {
		return nil, nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(e.buffer(result)), n)...), nil
}

// Exception is an error of the engine.
type Exception struct {
	// Code is ClickHouse's number of the error.
	Code int32
	// Message begins with "DB::Exception: ".
	Message string
}

// Error gives code and message as ClickHouse writes them.
func (e *Exception) Error() string {
	return "Code: " + strconv.Itoa(int(e.Code)) + ". " + e.Message
}

// Codes of exceptions that do not come from the engine.
const (
	unknownException     = 1002
	NotImplemented       = 48
	QueryRuns            = 216
	AuthenticationFailed = 516
)

var exceptionText = regexp.MustCompile(`(?s)^Code: (\d+)\. (.*)$`)

// exception reads an error as the engine writes it: "Code: 62. DB::Exception: …".
func exception(text string) *Exception {
	if m := exceptionText.FindStringSubmatch(text); m != nil {
		if code, err := strconv.ParseInt(m[1], 10, 32); err == nil {
			return &Exception{Code: int32(code), Message: m[2]}
		}
	}
	return &Exception{Code: unknownException, Message: "DB::Exception: " + text}
}

var (
	identifierEscapes = strings.NewReplacer(`\`, `\\`, "`", "\\`")
	literalEscapes    = strings.NewReplacer(`\`, `\\`, `'`, `\'`)
)

// Identifier quotes a name for SQL.
func Identifier(name string) string { return "`" + identifierEscapes.Replace(name) + "`" }

// Literal quotes a string for SQL.
func Literal(text string) string { return "'" + literalEscapes.Replace(text) + "'" }
