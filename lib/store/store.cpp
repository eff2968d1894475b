#include "store/store.hpp"

#include <algorithm>
#include <cctype>
#include <utility>

#include "store/archive.hpp"
#include "store/batch_store.hpp"
#include "store/doctor.hpp"
#include "store/postgres/archive.hpp"
#include "store/postgres/doctor.hpp"
#include "store/postgres/questions.hpp"
#include "store/postgres/tables.hpp"
#include "store/postgres/uri.hpp"
#include "store/questions.hpp"
#include "store/sqlite/archive.hpp"
#include "store/sqlite/doctor.hpp"
#include "store/sqlite/questions.hpp"
#include "store/sqlite/tables.hpp"

namespace ble {
namespace {

using GoOn = std::function<bool()>;

struct Kind {
    std::string_view scheme;  // of "scheme://…"; empty: a path
    std::string (*fault_of)(const std::string &name);
    void (*check)(const std::string &name);
    std::unique_ptr<Tables> (*open)(const std::string &name, const GoOn &go_on);
    std::unique_ptr<ArchiveRows> (*read)(const std::string &name, const GoOn &go_on);
    Findings (*examine)(const std::string &name);
    std::unique_ptr<QuestionRows> (*ask)(const std::string &name, const GoOn &go_on);
};

std::string any_path(const std::string &) {
    return {};
}

std::unique_ptr<Tables> open_sqlite(const std::string &path, const GoOn &) {
    return open_sqlite_tables(path);
}

std::unique_ptr<ArchiveRows> read_sqlite(const std::string &path, const GoOn &) {
    return open_sqlite_archive(path);
}

void check_nothing(const std::string &) {}

constexpr Kind of_postgres(std::string_view scheme) {
    return {
        scheme,           fault_of_postgres_uri,  check_nothing, open_postgres_tables, open_postgres_archive,
        examine_postgres, open_postgres_questions};
}

constexpr Kind kinds[] = {
    {"", any_path, check_sqlite, open_sqlite, read_sqlite, examine_sqlite, open_sqlite_questions},
    of_postgres("postgresql"),
    of_postgres("postgres")};

// Only what stands before "://" is ever printed: the rest may hold a password.
std::string_view scheme_of(std::string_view name) {
    const auto end = name.find("://");
    const auto scheme = name.substr(0, end == std::string_view::npos ? 0 : end);
    const bool plain = std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '+' || c == '-';
    });
    return plain ? scheme : std::string_view();
}

// As psql takes a database: "host=db.example.org dbname=ble". A file of such a name can be given as ./host=…
bool is_keyword_list(std::string_view name) {
    constexpr std::string_view keywords[] = {"host",
                                             "hostaddr",
                                             "port",
                                             "dbname",
                                             "user",
                                             "password",
                                             "service",
                                             "options",
                                             "passfile",
                                             "sslpassword",
                                             "sslmode",
                                             "connect_timeout",
                                             "application_name",
                                             "sslrootcert",
                                             "sslcert",
                                             "sslkey",
                                             "target_session_attrs"};
    constexpr std::string_view blanks = " \t\n";
    const auto begin = std::min(name.find_first_not_of(blanks), name.size());
    const auto word = name.substr(begin, name.find_first_of(" \t\n=", begin) - begin);
    const auto sign = name.find_first_not_of(blanks, begin + word.size());
    return sign != name.npos && name[sign] == '=' &&
           std::find(std::begin(keywords), std::end(keywords), word) != std::end(keywords);
}

const Kind *find_kind(const std::string &name) {
    const auto scheme = scheme_of(name);
    if (is_keyword_list(name)) return nullptr;
    const auto *const found = std::find_if(std::begin(kinds), std::end(kinds),
                                           [&](const Kind &kind) { return kind.scheme == scheme; });
    return name.empty() || found == std::end(kinds) ? nullptr : found;
}

}  // namespace

std::string why_no_store(const std::string &name) {
    if (const Kind *const kind = find_kind(name); kind != nullptr) return kind->fault_of(name);
    if (name.empty()) return "the database has no name: give a file's path";
    if (is_keyword_list(name))
        return "a list of keywords, as psql takes it, is not known here: write "
               "postgresql://[USER@]HOST[:PORT]/NAME, and the "
               "password into the file that PGPASSFILE names";
    return "there is no store for " + std::string(scheme_of(name)) +
           ":// databases: give a file's path, for SQLite, or postgresql://[USER@]HOST[:PORT]/NAME";
}

void check_store(const std::string &name) {
    if (const Kind *const kind = find_kind(name); kind != nullptr) kind->check(name);
}

std::unique_ptr<Archive> open_archive(const std::string &name, ArchiveFilter filter,
                                      const std::function<bool()> &go_on) {
    if (const auto problem = why_no_store(name); !problem.empty()) throw Error(ExitCode::config, problem);
    return std::make_unique<Archive>(find_kind(name)->read(name, go_on), std::move(filter));
}

Findings examine_store(const std::string &name) {
    if (const auto problem = why_no_store(name); !problem.empty()) throw Error(ExitCode::config, problem);
    return find_kind(name)->examine(name);
}

std::unique_ptr<Questions> open_questions(const std::string &name, QuestionLimits limits,
                                          const std::function<bool()> &go_on) {
    if (const auto problem = why_no_store(name); !problem.empty()) throw Error(ExitCode::config, problem);
    return std::make_unique<Questions>(find_kind(name)->ask(name, go_on), limits);
}

std::unique_ptr<Store> make_store(const std::string &name, const std::function<bool()> &go_on) {
    if (const auto problem = why_no_store(name); !problem.empty()) throw Error(ExitCode::config, problem);
    return std::make_unique<BatchStore>(find_kind(name)->open(name, go_on));
}

}  // namespace ble
