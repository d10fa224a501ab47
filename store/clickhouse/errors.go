package clickhouse

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"

	driver "github.com/ClickHouse/clickhouse-go/v2"
)

// Codes of the server's errors that are told from others
// (src/Common/ErrorCodes.cpp of ClickHouse).
const (
	noSuchColumn               = 16
	unknownIdentifier          = 47
	typeMismatch               = 53
	unknownTable               = 60
	argumentOutOfBound         = 69
	cannotConvertType          = 70
	unknownDatabase            = 81
	incorrectData              = 117
	tooLargeArraySize          = 128
	tooLargeStringSize         = 131
	timeoutExceeded            = 159
	readonly                   = 164
	tooManySimultaneousQueries = 202
	socketTimeout              = 209
	networkError               = 210
	queryRuns                  = 216
	aborted                    = 236
	memoryLimitExceeded        = 241
	tableIsReadOnly            = 242
	tooManyParts               = 252
	tooFewLiveReplicas         = 285
	unknownStatusOfInsert      = 319
	cannotInsertNull           = 349
	queryWasCanceled           = 394
	throwIf                    = 395
	violatedConstraint         = 469
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

// poisons are the errors of rows that the server will never take, while it
// would take others.
var poisons = []int32{
	typeMismatch, argumentOutOfBound, cannotConvertType, incorrectData, tooLargeArraySize, tooLargeStringSize,
	cannotInsertNull, throwIf, violatedConstraint,
}

// poisonous says whether an error is of the rows themselves.
func poisonous(err error) bool {
	var row *unfit
	var x *driver.Exception
	// A connection that breaks while rows are appended says so there.
	if errors.As(err, &row) && !errors.Is(err, driver.ErrBatchInvalid) && !errors.Is(err, io.EOF) {
		var broken net.Error
		return !errors.As(err, &broken)
	}
	return errors.As(err, &x) && slices.Contains(poisons, x.Code)
}

// errSchema is met where the tables are not what this version needs.
var errSchema = errors.New("the tables do not fit")

// explain says which server an error is of, and what to do next.
func (s *Store) explain(err error) error {
	if errors.Is(err, errSchema) {
		return fmt.Errorf("clickhouse %s: %w", s.address, err)
	}
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
		return "check that ClickHouse runs there and takes the native protocol (port 9000, or 9440 with clickhouses://)"
	}
	switch x.Code {
	case authenticationFailed:
		return "check user and password in the address"
	case unknownDatabase:
		return "make it with CREATE DATABASE, or name another in the address"
	case accessDenied, readonly:
		return "who writes needs INSERT on the tables and SELECT on authtap_migrations, who asks SELECT on all, and who makes the tables what docs/clickhouse.md grants"
	case unknownTable, unknownIdentifier, noSuchColumn:
		return "the tables are not as authtap made them: name another database in the address"
	}
	if slices.Contains(passes, x.Code) {
		return "the server has too much to do, or is about to stop"
	}
	return "the server's log has more on it"
}
