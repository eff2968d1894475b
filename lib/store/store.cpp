#include "store/store.hpp"

#include <algorithm>
#include <cctype>

#include "store/sqlite_store.hpp"

namespace ble {
namespace {

using Maker = std::unique_ptr<Store> (*)(const std::string &);

struct Kind {
    std::string_view scheme;  // of "scheme://…"; empty: a path
    Maker make;
};

constexpr Kind kinds[] = {
    {"", [](const std::string &path) -> std::unique_ptr<Store> { return std::make_unique<SqliteStore>(path); }},
};

// Only what stands before "://" is ever printed: the rest may hold a password.
std::string_view scheme_of(std::string_view name) {
    const auto end = name.find("://");
    const auto scheme = name.substr(0, end == std::string_view::npos ? 0 : end);
    const bool plain = std::all_of(scheme.begin(), scheme.end(),
                                   [](unsigned char c) { return std::isalnum(c) != 0 || c == '+' || c == '-'; });
    return plain ? scheme : std::string_view();
}

const Kind &find_kind(const std::string &name) {
    if (name.empty()) throw Error(ExitCode::config, "the database has no name: give a file's path");
    const auto scheme = scheme_of(name);
    for (const auto &kind : kinds)
        if (kind.scheme == scheme) return kind;
    throw Error(ExitCode::config, "there is no store for " + std::string(scheme) +
                                      ":// databases: give a file's path, for SQLite");
}

}  // namespace

void check_store_name(const std::string &name) { find_kind(name); }

std::unique_ptr<Store> make_store(const std::string &name) { return find_kind(name).make(name); }

}  // namespace ble
