package main

import (
	"context"
	"strings"

	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse"
	"github.com/authtap/authtap/store/sqlite"
)

// openStore opens the store that --store names; nil for none. A reader does
// not make one that is missing.
func openStore(ctx context.Context, name string, reader bool) (store.Store, error) {
	switch scheme, rest, _ := strings.Cut(name, ":"); scheme {
	case "sqlite":
		return opened(sqlite.Open(rest, sqlite.Options{Existing: reader}))
	case "clickhouse", "clickhouses":
		return opened(clickhouse.Open(ctx, name, clickhouse.Options{}))
	}
	return nil, nil // package config lets nothing else through than none
}

// opened turns a nil store of some type, which comes with an error, into nil.
func opened[S store.Store](s S, err error) (store.Store, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}
