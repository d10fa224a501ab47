package store

import (
	"errors"
	"slices"
	"testing"
)

func TestCheckReads(t *testing.T) {
	for statement, reads := range map[string]bool{
		"select 1": true, " ( ( SELECT 1 ) ) ": true, "SELECT 1;": true, "SELECT 1 ; ;": true, "-- x\nSELECT ';' , \"a;b\", `c;d`": true,
		"/* DROP */ SELECT 'it''s; DROP'": true, `SELECT '\'; DROP'`: true, "SELECT 1 -- ; DROP": true, "# x\nSELECT 1": true, "SELECT 'INTO OUTFILE'": true,
		"": false, "drop table x": false, "SELECT 1; DROP TABLE x": false, "SELECTED": false, "SELECT 1 into\n/* */ outfile 'x'": false,
		"/* SELECT": false, "-- SELECT": false, "'SELECT'": false, "INSERT INTO x SELECT 1": false, "SELECT 'a": true,
		"SELECT file('/etc/passwd')": false, "SELECT `File` /* */ ('x')": false, "SELECT file, (1), file = (2)": true, "SELECT max(capture_file)": true, "SELECT `": true,
	} {
		if err := CheckReads(statement, "SELECT"); (err == nil) != reads || err != nil && !errors.Is(err, ErrReadOnly) {
			t.Errorf("%q: %v", statement, err)
		}
	}
}

func FuzzCheckReads(f *testing.F) {
	f.Add("SELECT 1 -- '")
	f.Fuzz(func(t *testing.T, statement string) {
		if err := CheckReads(statement, "SELECT"); err == nil && !slices.Contains(words(statement), "SELECT") {
			t.Errorf("%q", statement)
		}
	})
}
