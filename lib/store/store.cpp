#include "store/store.hpp"

#include <algorithm>
#include <cctype>

#include "store/batch_store.hpp"
#include "store/sqlite/tables.hpp"

namespace ble {
namespace {

using Maker = std::unique_ptr<Tables> (*)(const std::string &);

struct Kind {
    std::string_view scheme;  // of "scheme://…"; empty: a path
    Maker make;
};

constexpr Kind kinds[] = {
    {"", open_sqlite_tables},
};

// Only what stands before "://" is ever printed: the rest may hold a password.
std::string_view scheme_of(std::string_view name) {
    const auto end = name.find("://");
    const auto scheme = name.substr(0, end == std::string_view::npos ? 0 : end);
    const bool plain = std::all_of(scheme.begin(), scheme.end(), [](unsigned char c) {
        return std::isalnum(c) != 0 || c == '+' || c == '-';
    });
    return plain ? scheme : std::string_view();
}

const Kind *find_kind(const std::string &name) {
    const auto scheme = scheme_of(name);
    const auto *const found = std::find_if(std::begin(kinds), std::end(kinds),
                                           [&](const Kind &kind) { return kind.scheme == scheme; });
    return name.empty() || found == std::end(kinds) ? nullptr : found;
}

}  // namespace

std::string why_no_store(const std::string &name) {
    if (find_kind(name) != nullptr) return {};
    if (name.empty()) return "the database has no name: give a file's path";
    return "there is no store for " + std::string(scheme_of(name)) +
           ":// databases: give a file's path, for SQLite";
}

std::unique_ptr<Store> make_store(const std::string &name) {
    const Kind *const kind = find_kind(name);
    if (kind == nullptr) throw Error(ExitCode::config, why_no_store(name));
    return std::make_unique<BatchStore>(kind->make(name));
}

}  // namespace ble
