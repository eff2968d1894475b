#include "store/postgres/uri.hpp"

#include <libpq-fe.h>

#include <cstdlib>
#include <string_view>

namespace ble {
namespace {

struct Parsed {
    explicit Parsed(const std::string &uri) : options(::PQconninfoParse(uri.c_str(), &error)) {}
    ~Parsed() {
        ::PQconninfoFree(options);
        ::PQfreemem(error);
    }
    Parsed(const Parsed &) = delete;
    Parsed &operator=(const Parsed &) = delete;

    bool has(std::string_view keyword) const {
        for (const auto *option = options; option != nullptr && option->keyword != nullptr; ++option)
            if (option->keyword == keyword) return option->val != nullptr;
        return false;
    }

    char *error = nullptr;
    PQconninfoOption *options;
};

}  // namespace

std::string fault_of_postgres_uri(const std::string &uri) {
    const Parsed parsed(uri);
    // What libpq says of a URI may hold a password.
    if (parsed.options == nullptr)
        return "this is no URI that libpq reads: postgresql://[USER@]HOST[:PORT]/NAME[?OPTION=VALUE&…]";
    if (parsed.has("password") || parsed.has("sslpassword"))
        return "a password in a postgresql:// URI is seen by every user of the machine: put it into a file "
               "of mode 600, as "
               "HOST:PORT:NAME:USER:PASSWORD, and name that file in PGPASSFILE";
    return {};
}

bool chooses_host(const std::string &uri) {
    const Parsed parsed(uri);
    return parsed.has("target_session_attrs") || parsed.has("service") ||
           std::getenv("PGTARGETSESSIONATTRS") != nullptr || std::getenv("PGSERVICE") != nullptr;
}

}  // namespace ble
