package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestInsertion(t *testing.T) {
	for query, want := range map[string][]string{ // nil: rows do not follow as blocks
		"INSERT INTO t VALUES (1)":                                    nil,
		"INSERT INTO t SELECT 1":                                      nil,
		"INSERT INTO t (a) SELECT 'FORMAT Native'":                    nil,
		"INSERT INTO t FORMAT JSONEachRow {}":                         nil,
		"SELECT 1 FORMAT Native":                                      nil,
		"INSERT INTO FUNCTION file('x') FORMAT Native":                nil,
		"INSERT INTO t FORMAT Native":                                 {"t", "", ""},
		"insert into t values":                                        {"t", "", ""},
		"INSERT INTO db.t (a, b) FORMAT Native":                       {"db.t", "(a, b)", ""},
		"INSERT INTO `my db`.`t(1)`(`a`) VALUES;":                     {"`my db`.`t(1)`", "(`a`)", ""},
		"INSERT INTO TABLE t\n(a)\nSETTINGS x=1, y='2' FORMAT Native": {"t", "(a)", "SETTINGS x=1, y='2'"},
	} {
		m := insertion.FindStringSubmatch(query)
		if m != nil {
			m = m[1:]
		}
		if !cmp.Equal(m, want) {
			t.Errorf("%q: got %q, want %q", query, m, want)
		}
	}
}
