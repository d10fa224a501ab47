package main

import (
	"context"
	"strings"

	"github.com/authtap/authtap/cmd/authtap/internal/config"
	"github.com/authtap/authtap/store"
	"github.com/authtap/authtap/store/clickhouse"
	"github.com/authtap/authtap/store/sqlite"
)

// openReader opens the store that --store names to ask it; nil for none. It
// makes nothing that is missing.
func openReader(ctx context.Context, name string) (store.Reader, error) {
	switch scheme, rest, _ := strings.Cut(name, ":"); scheme {
	case "sqlite":
		return opened(sqlite.Open(rest, sqlite.Options{Existing: true}))
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

// tables gives the options of ClickHouse's tables.
func (p *program) tables(s *config.Settings) clickhouse.Options {
	return clickhouse.Options{
		Migrate: s.Migrate, Cluster: s.Cluster, Retain: s.Retain,
		Told: func(text string) { p.warn("%s", text) },
	}
}
