// What a server answers to a WebSocket, in pieces of as many bytes as the first byte of the input says.
#include "fuzz.hpp"
#include "transport/websocket_frames.hpp"
#include "transport/websocket_handshake.hpp"

BLE_FUZZ_QUIET

using namespace ble;
using fuzz::must;

namespace {

struct Heard {
    std::string payload, why;
    std::uint16_t code = 0;
};

// What is heard of bytes that come in pieces of this size.
Heard hear(std::string_view bytes, std::size_t piece) {
    WebSocketReader reader;
    Heard heard;
    while (!bytes.empty()) {
        reader.take(bytes.substr(0, piece), heard.payload);
        if (const auto ping = reader.take_ping()) must(ping->size() <= 125, "a ping is short", *ping);
        bytes.remove_prefix(std::min(piece, bytes.size()));
    }
    if (reader.end()) heard.code = reader.end()->code;
    if (reader.end()) heard.why = reader.end()->why;
    return heard;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view input = fuzz::text(bytes, size).substr(1);
    const std::size_t piece = bytes[0] == 0 ? 1 : bytes[0];
    WebSocketHandshake handshake("a", "/mqtt", "dGhlIHNhbXBsZSBub25jZQ==");
    for (std::string_view left = input; !left.empty(); left.remove_prefix(std::min(piece, left.size())))
        if (handshake.take(left.substr(0, piece)) != WebSocketHandshake::State::waiting) break;
    if (handshake.state() == WebSocketHandshake::State::refused)
        must(!handshake.trouble().empty(), "what is refused has a reason", input);
    const auto head = input.find("\r\n\r\n");
    const std::string_view frames = head == std::string_view::npos ? input : input.substr(head + 4);
    const Heard some = hear(frames, piece), whole = hear(frames, std::max<std::size_t>(1, frames.size()));
    must(some.payload == whole.payload && some.code == whole.code && some.why == whole.why,
         "the pieces do not matter", frames);
    must(whole.payload.size() <= frames.size(), "nothing is made up", whole.payload);
    return 0;
}
