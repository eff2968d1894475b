// The functions of libpq that we call, which load it with the first call. Linked in the usual way it and what is behind it (LDAP, Kerberos)
// would take memory of every bleingest, also where the database is a file. A function that is not here is not found when linking.
#include <libpq-fe.h>

#include "base/late_library.hpp"

namespace ble {
namespace {

constexpr LateLibrary library("libpq.so.5", "PostgreSQL", "libpq5");

}  // namespace
}  // namespace ble

#define BLEPIPE_PQ(result, name, parameters, arguments)              \
    result name parameters {                                         \
        static auto *const call = ble::library.find(#name, &::name); \
        return call arguments;                                       \
    }

extern "C" {

BLEPIPE_PQ(PQconninfoOption *, PQconninfoParse, (const char *uri, char **error), (uri, error))
BLEPIPE_PQ(PQconninfoOption *, PQconndefaults, (), ())
BLEPIPE_PQ(void, PQconninfoFree, (PQconninfoOption * options), (options))
BLEPIPE_PQ(void, PQfreemem, (void *memory), (memory))
BLEPIPE_PQ(PGconn *, PQconnectStartParams,
           (const char *const *keywords, const char *const *values, int expand), (keywords, values, expand))
BLEPIPE_PQ(PostgresPollingStatusType, PQconnectPoll, (PGconn * link), (link))
BLEPIPE_PQ(void, PQfinish, (PGconn * link), (link))
BLEPIPE_PQ(ConnStatusType, PQstatus, (const PGconn *link), (link))
BLEPIPE_PQ(PGTransactionStatusType, PQtransactionStatus, (const PGconn *link), (link))
BLEPIPE_PQ(char *, PQhost, (const PGconn *link), (link))
BLEPIPE_PQ(char *, PQport, (const PGconn *link), (link))
BLEPIPE_PQ(char *, PQerrorMessage, (const PGconn *link), (link))
BLEPIPE_PQ(int, PQsocket, (const PGconn *link), (link))
BLEPIPE_PQ(int, PQconnectionNeedsPassword, (const PGconn *link), (link))
BLEPIPE_PQ(PGVerbosity, PQsetErrorVerbosity, (PGconn * link, PGVerbosity verbosity), (link, verbosity))
BLEPIPE_PQ(PQnoticeReceiver, PQsetNoticeReceiver, (PGconn * link, PQnoticeReceiver receiver, void *argument),
           (link, receiver, argument))
BLEPIPE_PQ(int, PQsetnonblocking, (PGconn * link, int on), (link, on))
BLEPIPE_PQ(int, PQflush, (PGconn * link), (link))
BLEPIPE_PQ(int, PQconsumeInput, (PGconn * link), (link))
BLEPIPE_PQ(int, PQisBusy, (PGconn * link), (link))
BLEPIPE_PQ(PGresult *, PQgetResult, (PGconn * link), (link))
BLEPIPE_PQ(PGpipelineStatus, PQpipelineStatus, (const PGconn *link), (link))
BLEPIPE_PQ(int, PQenterPipelineMode, (PGconn * link), (link))
BLEPIPE_PQ(int, PQexitPipelineMode, (PGconn * link), (link))
BLEPIPE_PQ(int, PQpipelineSync, (PGconn * link), (link))
BLEPIPE_PQ(int, PQsendQuery, (PGconn * link, const char *sql), (link, sql))
BLEPIPE_PQ(int, PQsendPrepare,
           (PGconn * link, const char *name, const char *sql, int count, const Oid *types),
           (link, name, sql, count, types))
BLEPIPE_PQ(int, PQsendQueryPrepared,
           (PGconn * link, const char *name, int count, const char *const *values, const int *lengths,
            const int *formats, int format),
           (link, name, count, values, lengths, formats, format))
BLEPIPE_PQ(int, PQputCopyData, (PGconn * link, const char *bytes, int count), (link, bytes, count))
BLEPIPE_PQ(int, PQputCopyEnd, (PGconn * link, const char *error), (link, error))
BLEPIPE_PQ(ExecStatusType, PQresultStatus, (const PGresult *result), (result))
BLEPIPE_PQ(char *, PQresultErrorMessage, (const PGresult *result), (result))
BLEPIPE_PQ(char *, PQresultErrorField, (const PGresult *result, int field), (result, field))
BLEPIPE_PQ(int, PQntuples, (const PGresult *result), (result))
BLEPIPE_PQ(char *, PQcmdTuples, (PGresult * result), (result))
BLEPIPE_PQ(int, PQgetisnull, (const PGresult *result, int row, int column), (result, row, column))
BLEPIPE_PQ(char *, PQgetvalue, (const PGresult *result, int row, int column), (result, row, column))
BLEPIPE_PQ(int, PQgetlength, (const PGresult *result, int row, int column), (result, row, column))
BLEPIPE_PQ(void, PQclear, (PGresult * result), (result))

}  // extern "C"
