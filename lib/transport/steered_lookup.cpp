#include "transport/steered_lookup.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <string_view>

namespace {

struct Table {
    std::mutex lock;
    std::list<std::pair<std::string, std::string>> entries;  // the newest first
};

// Never destroyed: a library's thread may look something up while the process ends.
Table &table() {
    static auto *const only = new Table;
    return *only;
}

std::optional<std::string> steered(std::string_view name) {
    const std::lock_guard guard(table().lock);
    const auto &entries = table().entries;
    const auto found =
        std::find_if(entries.begin(), entries.end(), [&](const auto &e) { return e.first == name; });
    if (found == entries.end()) return {};
    return found->second;
}

}  // namespace

extern "C" int getaddrinfo(const char *name, const char *service, const addrinfo *hints, addrinfo **result) {
    const auto address = name != nullptr ? steered(name) : std::nullopt;
    return ble::look_up_unsteered(address ? address->c_str() : name, service, hints, result);
}

namespace ble {

SteeredLookup::SteeredLookup(std::string name, std::string address) {
    const std::lock_guard guard(table().lock);
    entry_ = table().entries.emplace(table().entries.begin(), std::move(name), std::move(address));
}

SteeredLookup::~SteeredLookup() {
    const std::lock_guard guard(table().lock);
    table().entries.erase(entry_);
}

int look_up_unsteered(const char *name, const char *service, const addrinfo *hints, addrinfo **result) {
    static const auto of_system =
        reinterpret_cast<decltype(&::getaddrinfo)>(::dlsym(RTLD_NEXT, "getaddrinfo"));
    return of_system(name, service, hints, result);
}

}  // namespace ble
