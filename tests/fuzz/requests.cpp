// What headers and paths of requests hold, a line each: Host, Connection, Sec-WebSocket-Key, Sec-WebSocket-Protocol, Origin, path.
#include <array>

#include "fuzz.hpp"
#include "server/access.hpp"
#include "server/handshake.hpp"
#include "server/path_prefix.hpp"

BLE_FUZZ_QUIET

namespace {

using namespace ble;
using fuzz::must;

void read_origin(const std::string &origin, const std::string &host) {
    static const Access strict(std::nullopt, {}, true, false);
    strict.origin_allowed(origin, host);
    strict.host_allowed(host);
    const std::string option = Access::nameable(origin);
    if (option.empty()) return;
    must(option.find_first_of(" \t\r\n'\"`$;&|<>(){}*?~#!\\") == option.npos, "advice is harmless in a shell",
         option);
    must(printable(option) == option || option.size() > 200, "advice is harmless in a log", option);
    must(Access(std::nullopt, {option}, true, false).origin_allowed(origin, host), "advice lets the page in",
         origin);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    std::string_view rest = fuzz::text(bytes, size);
    std::array<std::string, 6> lines;
    for (auto &line : lines) {
        line = rest.substr(0, rest.find('\n'));
        rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    }
    const auto &[host, connection, key, protocols, origin, path] = lines;
    const std::string fault = handshake_fault({host, connection, key, protocols}, "blepipe.ndjson");
    must(printable(fault) == fault, "a fault says nothing of the client's", fault);
    must(!fault.empty() || protocols.empty() || protocols.find("blepipe.ndjson") != protocols.npos,
         "a subprotocol that is known", protocols);
    read_origin(origin, host);
    static const PathPrefix prefix("/ble");
    const std::string stripped = prefix.strip(path);
    must(stripped == path || "/ble" + stripped == path, "a path loses its prefix and nothing else", path);
    return 0;
}
