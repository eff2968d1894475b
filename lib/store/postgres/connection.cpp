#include "store/postgres/connection.hpp"

#include <libpq-fe.h>
#include <poll.h>

#include <algorithm>
#include <cctype>
#include <chrono>
#include <utility>
#include <vector>

#include "base/log.hpp"

namespace ble {
namespace {

using Clock = std::chrono::steady_clock;
using Kind = DatabaseError::Kind;

constexpr std::chrono::seconds longest_silence{60}, longest_greeting{20}, longest_before_next{5};

// A host that is gone is noticed by the kernel within a minute; all can be said otherwise in the URI.
constexpr const char *link_options[][2] = {{"keepalives_idle", "20"},
                                           {"keepalives_interval", "10"},
                                           {"keepalives_count", "4"},
                                           {"tcp_user_timeout", "60000"},
                                           {"fallback_application_name", "bleingest"}};

// Takes out of libpq's verbose text what is for programs: the SQLSTATE of each host (":  28P01: "), which is returned, and the place in
// the server's source at the end.
std::vector<std::string> take_states(std::string &text) {
    constexpr std::string_view before = ":  ", after = ": ", place = " LOCATION: ";
    constexpr std::size_t size = 5;
    if (const auto at = text.rfind(place); at != text.npos && text.find(';', at) == text.npos) text.erase(at);
    const auto of_state = [](unsigned char c) { return std::isdigit(c) != 0 || std::isupper(c) != 0; };
    std::vector<std::string> states;
    for (auto at = text.find(before); at != text.npos; at = text.find(before, at + 1)) {
        const std::string state = text.substr(at + before.size(), size);
        if (state.size() < size || !std::all_of(state.begin(), state.end(), of_state) ||
            text.compare(at + before.size() + size, after.size(), after) != 0)
            continue;
        states.push_back(state);
        text.replace(at, before.size() + size + after.size(), after);
    }
    return states;
}

// Notices of the server ("table exists, skipping") are nobody's business.
void ignore_notice(void *, const pg_result *) {}

std::string tidy(const char *message) {
    std::string text = message == nullptr ? "" : message;
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    for (auto &c : text)
        if (c == '\n' || c == '\t') c = ' ';
    return text;
}

}  // namespace

void Connection::Close::operator()(pg_conn *link) const {
    ::PQfinish(link);
}

Connection::Connection(std::string uri, std::function<bool()> go_on)
    : uri_(std::move(uri)), go_on_(std::move(go_on)) {}

Connection::~Connection() = default;

bool Connection::connect() {
    if (link_ && ::PQstatus(link_.get()) == CONNECTION_OK) return false;
    link_.reset();
    prepared_.clear();
    preparing_.clear();
    due_.clear();
    copying_ = nullptr;
    greet_one();
    try {
        set_up();
    } catch (...) {
        link_.reset();  // else it would be taken for one that is set up
        throw;
    }
    return true;
}

void Connection::set_up() {
    ::PQsetErrorVerbosity(link_.get(), PQERRORS_DEFAULT);
    ::PQsetnonblocking(link_.get(), 1);
    ::PQsetNoticeReceiver(link_.get(), ignore_notice, nullptr);
    // A look is durable when COMMIT returns. A transaction sees what was done before it got its locks, and not only before it began, whatever
    // the role or the database is set to. Nobody waits for a lock for ever, or as long as it is set for the role, the database or in the URI.
    const Answer waits = execute(
        "SET search_path = blepipe; SET synchronous_commit = on; SET TimeZone = 'UTC'; SET bytea_output = "
        "'hex'; SET jit = off;"
        "SET default_transaction_isolation = 'read committed'; SET default_transaction_deferrable = off;"
        "SELECT set_config('lock_timeout', '10s', false) WHERE current_setting('lock_timeout') = '0';"
        "SELECT (extract(epoch FROM current_setting('lock_timeout')::interval) * 1000)::bigint");
    lock_timeout_ = std::chrono::milliseconds(waits.integer(0, 0));
}

std::string Connection::begin_briefly(std::chrono::milliseconds wait) const {
    return "BEGIN; SET LOCAL lock_timeout = " + std::to_string(std::min(wait, lock_timeout_).count()) + "; ";
}

std::string Connection::wait_as_set() const {
    return "; SET LOCAL lock_timeout = " + std::to_string(lock_timeout_.count());
}

// The first address of the first host that takes us. libpq's own way through a list does not come past one that says nothing. Of several
// hosts, one that may take us later is enough to go on.
void Connection::greet_one() {
    std::vector<std::vector<PostgresHost>> hosts;
    for (const auto &host : hosts_of(uri_)) hosts.push_back(each_address(host));
    std::optional<Refusal> all;
    std::string why;
    for (const auto &addresses : hosts) {
        std::optional<Refusal> host;
        for (const auto &address : addresses) {
            const bool last = &addresses == &hosts.back() && &address == &addresses.back();
            auto one = greet(address, last);
            if (!one) return;
            why += (why.empty() ? "" : "; ") + one->why;
            if (!host || outweighs(*one, *host)) host = std::move(one);
        }
        if (!all || (all->what.kind != Kind::trouble && host->what.kind == Kind::trouble)) all = host;
    }
    link_.reset();
    throw DatabaseError(all->what.kind, all->what.code,
                        "unable to use the database " + uri_ + ": " + printable(why));
}

// Among the addresses of one name: what a server says goes before silence, as of an address at which it does not listen; of servers, one
// that may take us later is enough to go on. (Of one that only reads libpq tells no SQLSTATE: that counts as silence.)
bool Connection::outweighs(const Refusal &one, const Refusal &other) {
    if (one.told != other.told) return one.told;
    return one.what.kind == Kind::trouble && other.what.kind != Kind::trouble;
}

// None: connected.
std::optional<Connection::Refusal> Connection::greet(const PostgresHost &host, bool last) {
    start(host);
    const auto most = connect_timeout_of(uri_).value_or(last ? longest_greeting : longest_before_next);
    const auto end = Clock::now() + most;
    auto state = PGRES_POLLING_WRITING;
    while (state != PGRES_POLLING_OK) {
        if (state == PGRES_POLLING_FAILED || ::PQstatus(link_.get()) == CONNECTION_BAD) return refusal();
        if (go_on_ && !go_on_()) lose("asked to stop");
        const bool ready = wait(state == PGRES_POLLING_READING ? POLLIN : POLLOUT);
        if (Clock::now() > end)
            return Refusal{classify("", true),
                           "no connection to " + tidy(::PQhost(link_.get())) + ", port " +
                               tidy(::PQport(link_.get())) + " within " + std::to_string(most.count()) + " s",
                           false};
        if (ready)
            state =
                ::PQconnectPoll(link_.get());  // else it takes the connection for made, and waits by itself
    }
    return {};
}

void Connection::start(const PostgresHost &host) {
    std::vector<const char *> keywords, values;
    const auto add = [&](const char *keyword, const char *value) {
        keywords.push_back(keyword);
        values.push_back(value);
    };
    for (const auto &[keyword, value] : link_options) add(keyword, value);
    add("dbname", uri_.c_str());
    if (!host.host.empty()) add("host", host.host.c_str());
    if (!host.hostaddr.empty()) add("hostaddr", host.hostaddr.c_str());
    if (!host.port.empty()) add("port", host.port.c_str());
    if (!chooses_host(uri_)) add("target_session_attrs", "read-write");
    add("client_encoding", "UTF8");
    add(nullptr, nullptr);
    link_.reset(::PQconnectStartParams(keywords.data(), values.data(), 1));
    if (!link_) throw DatabaseError(Kind::trouble, ExitCode::system, "unable to connect: out of memory");
    ::PQsetErrorVerbosity(link_.get(), PQERRORS_VERBOSE);
}

bool Connection::in_transaction() const {
    if (!link_) return false;
    const auto state = ::PQtransactionStatus(link_.get());
    return state == PQTRANS_INTRANS || state == PQTRANS_INERROR || state == PQTRANS_ACTIVE;
}

// Until the socket is ready, at most a tenth of a second: false, it is not. What has begun is brought to its end, also after a request to stop.
bool Connection::wait(short events) {
    if (go_on_ && !go_on_()) {
        if (!stop_before_) stop_before_ = Clock::now() + longest_stop_;
        if (Clock::now() >= *stop_before_)
            lose("asked to stop, and no answer for " + std::to_string(longest_stop_.count()) + " s");
    }
    pollfd ask{::PQsocket(link_.get()), events, 0};
    return ::poll(&ask, 1, 100) > 0;
}

void Connection::flush() {
    const auto end = Clock::now() + longest_silence;
    int left = 0;
    while ((left = ::PQflush(link_.get())) > 0) {
        // The server may wait for us to take what it has to say.
        wait(POLLIN | POLLOUT);
        if (::PQconsumeInput(link_.get()) == 0) fail(nullptr);
        if (Clock::now() > end) lose("the server takes nothing");
    }
    if (left < 0) fail(nullptr);
}

Connection::Result Connection::next() {
    flush();
    const auto end = Clock::now() + longest_silence;
    while (::PQisBusy(link_.get()) != 0) {
        wait(POLLIN);
        if (::PQconsumeInput(link_.get()) == 0) fail(nullptr);
        if (Clock::now() > end && !patient_)
            lose("no answer for " + std::to_string(longest_silence.count()) + " s");
    }
    return {::PQgetResult(link_.get()), ::PQclear};
}

void Connection::send(const Query &query, const Values &values) {
    if (!link_) lose("not connected");
    end_copy();
    if (::PQpipelineStatus(link_.get()) == PQ_PIPELINE_OFF && ::PQenterPipelineMode(link_.get()) != 1)
        fail(nullptr);
    auto &name = prepared_[query.sql];
    if (name.empty()) {
        name = std::to_string(++prepared_count_);
        preparing_.push_back(query.sql);
        if (::PQsendPrepare(link_.get(), name.c_str(), query.sql, 0, nullptr) != 1) fail(nullptr);
        due_.push_back(Due::preparation);
    }
    const auto data = values.values();
    const auto lengths = values.lengths();
    const std::vector<int> formats(data.size(), 1);
    if (::PQsendQueryPrepared(link_.get(), name.c_str(), values.count(), data.data(), lengths.data(),
                              formats.data(), 0) != 1)
        fail(nullptr);
    due_.push_back(Due::answer);
}

void Connection::queue(const Query &query, const Values &values) {
    send(query, values);
    // The server works at it meanwhile.
    if (::PQflush(link_.get()) < 0) fail(nullptr);
}

Answer Connection::ask(const Query &query, const Values &values) {
    send(query, values);
    return collect().back();
}

std::vector<Answer> Connection::ask(const std::vector<Question> &all) {
    for (const auto &[query, values] : all) send(query, values);
    auto answers = collect();
    answers.erase(answers.begin(), answers.end() - static_cast<std::ptrdiff_t>(all.size()));
    return answers;
}

void Connection::settle() {
    end_copy();
    if (!due_.empty()) collect();
    leave_pipeline();
}

// All answers that are due.
std::vector<Answer> Connection::collect() {
    if (::PQpipelineSync(link_.get()) != 1) fail(nullptr);
    std::vector<Answer> answers;
    Result failed{nullptr, ::PQclear};
    for (auto due = due_.begin();;) {
        Result result = next();
        if (!result) {
            if (::PQstatus(link_.get()) != CONNECTION_OK) fail(nullptr);
            continue;  // between two statements
        }
        const auto status = ::PQresultStatus(result.get());
        if (status == PGRES_PIPELINE_SYNC) break;
        if (status == PGRES_FATAL_ERROR && !failed)
            failed = std::move(result);
        else if (due != due_.end() && *due == Due::answer)
            answers.emplace_back(result.release());
        if (due != due_.end()) ++due;
    }
    due_.clear();
    if (failed) {
        // Some of them may be there: their names are not used again.
        for (const auto *sql : preparing_) prepared_.erase(sql);
        preparing_.clear();
        fail(failed.get());
    }
    preparing_.clear();
    return answers;
}

void Connection::leave_pipeline() {
    if (link_ && ::PQpipelineStatus(link_.get()) != PQ_PIPELINE_OFF && ::PQexitPipelineMode(link_.get()) != 1)
        fail(nullptr);
}

Answer Connection::execute(const std::string &sql) {
    if (!link_) lose("not connected");
    settle();
    if (::PQsendQuery(link_.get(), sql.c_str()) != 1) fail(nullptr);
    return all_results();
}

void Connection::copy(const char *sql, const CopyRows &rows) {
    if (copying_ != sql) {
        settle();
        begin_copy(sql);
    }
    put(rows.bytes());
    copied_ += rows.rows();
}

void Connection::begin_copy(const char *sql) {
    constexpr std::string_view header("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0", 19);
    if (!link_) lose("not connected");
    if (::PQsendQuery(link_.get(), sql) != 1) fail(nullptr);
    const Result result = next();
    if (::PQresultStatus(result.get()) != PGRES_COPY_IN) {
        while (next()) {
        }
        fail(result.get());
    }
    copying_ = sql;
    copied_ = 0;
    put(header);
}

// What the link does not take at once is kept, and goes with what follows.
void Connection::put(std::string_view bytes) {
    if (::PQputCopyData(link_.get(), bytes.data(), static_cast<int>(bytes.size())) != 1 ||
        ::PQflush(link_.get()) < 0)
        fail(nullptr);
}

void Connection::end_copy() {
    constexpr std::string_view trailer("\377\377", 2);
    if (copying_ == nullptr) return;
    put(trailer);
    if (::PQputCopyEnd(link_.get(), nullptr) != 1) fail(nullptr);
    copying_ = nullptr;
    if (all_results().changed() != copied_)
        throw DatabaseError(Kind::constraint, ExitCode::data, "a trigger kept a row out of the database");
}

// Of what was sent outside a pipeline; the last one.
Answer Connection::all_results() {
    Result last{nullptr, ::PQclear}, failed{nullptr, ::PQclear};
    while (Result result = next()) {
        if (::PQresultStatus(result.get()) == PGRES_FATAL_ERROR)
            failed = std::move(result);
        else
            last = std::move(result);
    }
    if (failed) fail(failed.get());
    return Answer(last.release());
}

void Connection::rollback() noexcept {
    if (link_ && (in_transaction() || !due_.empty())) undo("ROLLBACK");
}

void Connection::undo_to(const char *savepoint) noexcept {
    if (link_ && in_transaction()) undo(std::string("ROLLBACK TO ") + savepoint);
}

void Connection::undo(const std::string &sql) noexcept {
    try {
        if (::PQstatus(link_.get()) != CONNECTION_OK) throw Error(ExitCode::unavailable, "");
        // What fails now is undone.
        if (std::exchange(copying_, nullptr) != nullptr && ::PQputCopyEnd(link_.get(), "given up") == 1) {
            while (next()) {
            }
        }
        try {
            if (!due_.empty()) collect();
        } catch (const DatabaseError &) {
            if (!link_) return;
        }
        leave_pipeline();
        if (in_transaction()) execute(sql);
    } catch (const Error &) {
        link_.reset();
    }
}

void Connection::fail(const pg_result *result) {
    const char *const state = result == nullptr ? nullptr : ::PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const bool cut = !link_ || ::PQstatus(link_.get()) != CONNECTION_OK;
    const std::string why =
        tidy(result != nullptr ? ::PQresultErrorMessage(result) : ::PQerrorMessage(link_.get()));
    const auto [kind, code] = classify(state == nullptr ? "" : state, cut);
    if (cut) link_.reset();
    throw DatabaseError(kind, code, "unable to use the database " + uri_ + ": " + printable(why));
}

// Of a refusal libpq tells the SQLSTATE only in its verbose text: "FATAL:  28P01: …"; a name may have several addresses.
Connection::Refusal Connection::refusal() const {
    if (::PQconnectionNeedsPassword(link_.get()) != 0)
        return {{Kind::permission, ExitCode::permission},
                "the server wants a password: put it into a file of mode 600, as "
                "HOST:PORT:NAME:USER:PASSWORD, and name that file in PGPASSFILE",
                true};
    std::string why = tidy(::PQerrorMessage(link_.get()));
    ErrorClass what = classify("", true);
    const auto states = take_states(why);
    const bool refused =
        !states.empty() && std::all_of(states.begin(), states.end(), [](const std::string &state) {
            return classify(state, true).kind != Kind::trouble;
        });
    if (refused) what = classify(states.front(), true);
    return {what, why, !states.empty()};
}

void Connection::lose(const std::string &why) {
    link_.reset();
    throw DatabaseError(Kind::trouble, ExitCode::unavailable,
                        "unable to use the database " + uri_ + ": " + why);
}

}  // namespace ble
