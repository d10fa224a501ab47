package clickhouse

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// Codes of the server's errors that are told from others
// (src/Common/ErrorCodes.cpp of ClickHouse).
const (
	unknownIdentifier          = 47
	unknownTable               = 60
	unknownDatabase            = 81
	timeoutExceeded            = 159
	readonly                   = 164
	tooManySimultaneousQueries = 202
	socketTimeout              = 209
	networkError               = 210
	aborted                    = 236
	memoryLimitExceeded        = 241
	tableIsReadOnly            = 242
	tooManyParts               = 252
	tooFewLiveReplicas         = 285
	unknownStatusOfInsert      = 319
	queryWasCanceled           = 394
	accessDenied               = 497
	authenticationFailed       = 516
	keeperException            = 999
)

// passes are the errors of a server that has too much to do for the moment, or
// is about to stop.
var passes = []int32{
	timeoutExceeded, tooManySimultaneousQueries, socketTimeout, networkError, aborted, memoryLimitExceeded,
	tableIsReadOnly, tooManyParts, tooFewLiveReplicas, unknownStatusOfInsert, queryWasCanceled, keeperException,
}

// passing says whether sending again may help. It does not where the server
// gave its reasons, unless they pass; it may with whatever befalls a
// connection.
func passing(err error) bool {
	var x *driver.Exception
	if errors.As(err, &x) {
		return slices.Contains(passes, x.Code)
	}
	var certificate *tls.CertificateVerificationError
	return !errors.As(err, &certificate) && !errors.Is(err, driver.ErrBatchInvalid)
}

// explain says which server an error is of, and what to do next.
func (s *Store) explain(err error) error {
	return fmt.Errorf("clickhouse %s: %w; %s", s.address, err, advice(err))
}

func advice(err error) string {
	var x *driver.Exception
	if !errors.As(err, &x) {
		var certificate *tls.CertificateVerificationError
		switch {
		case errors.As(err, &certificate):
			return "check the host's name, and that the system trusts who signed its certificate"
		case errors.Is(err, driver.ErrBatchInvalid):
			return "check that the table findings is as authtap made it"
		}
		return "check that ClickHouse runs there and takes the native protocol (port 9000, or 9440 with clickhouses://), then run again: what was written is kept and will not be doubled"
	}
	switch x.Code {
	case authenticationFailed:
		return "check user and password in the address"
	case unknownDatabase:
		return "make it with CREATE DATABASE, or name another in the address"
	case accessDenied, readonly:
		return "the user needs SELECT and INSERT on the database, and CREATE TABLE and CREATE VIEW the first time"
	case unknownTable, unknownIdentifier:
		return "the tables are not as authtap made them: name another database in the address"
	}
	if slices.Contains(passes, x.Code) {
		return "the server has too much to do or stops: run again later, what was written is kept and will not be doubled"
	}
	return "the server's log has more on it"
}
