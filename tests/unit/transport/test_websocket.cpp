#include <algorithm>
#include <string>
#include <vector>

#include "catch.hpp"
#include "transport/websocket_frames.hpp"
#include "transport/websocket_handshake.hpp"

using namespace ble;
using namespace std::string_literals;

namespace {

// The example of RFC 6455, 1.3.
constexpr char key[] = "dGhlIHNhbXBsZSBub25jZQ==", accept[] = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";
constexpr char good_answer[] =
    "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n"
    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\nSec-WebSocket-Protocol: mqtt\r\n\r\n";

std::string replaced(std::string text, const std::string &from, const std::string &to) {
    return text.replace(text.find(from), from.size(), to);
}

std::string refusal_of(const std::string &answer) {
    WebSocketHandshake handshake("broker.example", "/mqtt", key);
    CHECK(handshake.take(answer) == WebSocketHandshake::State::refused);
    return handshake.trouble();
}

std::string payload_of(const std::string &frame) {  // of a client's short frame
    std::string out = frame.substr(6);
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<char>(out[i] ^ frame[2 + i % 4]);
    return out;
}

WebSocketReader::End end_of(const std::string &wire) {
    WebSocketReader reader;
    std::string out;
    reader.take(wire, out);
    CHECK(out.empty());
    return reader.end().value_or(WebSocketReader::End{0, ""});
}

}  // namespace

TEST_CASE("the handshake asks for MQTT and takes an answer in any pieces") {
    const std::string answer = std::string(good_answer) + "\x82\0"s;
    for (std::size_t piece = 1; piece <= answer.size(); ++piece) {
        WebSocketHandshake handshake("broker.example:8080", "/a/b", key);
        CHECK(handshake.request().starts_with("GET /a/b HTTP/1.1\r\nHost: broker.example:8080\r\n"));
        CHECK(handshake.request().find("\r\nSec-WebSocket-Protocol: mqtt\r\n") != std::string::npos);
        CHECK(handshake.request().find("\r\nSec-WebSocket-Key: "s + key + "\r\n") != std::string::npos);
        CHECK(handshake.silent());
        std::string rest;
        for (std::size_t at = 0; at < answer.size(); at += piece) {
            if (handshake.state() == WebSocketHandshake::State::accepted)
                rest += answer.substr(at, piece);
            else if (handshake.take(answer.substr(at, piece)) == WebSocketHandshake::State::accepted)
                rest = handshake.rest();
        }
        CHECK(handshake.state() == WebSocketHandshake::State::accepted);
        CHECK(rest == "\x82\0"s);
    }
}

TEST_CASE("each handshake has a key of its own") {
    const std::string one = WebSocketHandshake::make_key(), other = WebSocketHandshake::make_key();
    CHECK(one.size() == 24);
    CHECK(one != other);
}

TEST_CASE("an answer that is not WebSocket's, or not MQTT's, is refused") {
    const auto has = [](const std::string &text, const std::string &part) {
        CAPTURE(text);
        CHECK(text.find(part) != std::string::npos);
    };
    for (const auto &[from, to] : std::vector<std::pair<std::string, std::string>>{
             {accept, key},
             {"WebSocket\r\n", "h2c\r\n"},
             {"keep-alive, Upgrade", "keep-alive"},
             {"Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions: deflate\r\nSec-WebSocket-Protocol"}})
        has(refusal_of(replaced(good_answer, from, to)), "does not speak WebSocket");
    has(refusal_of(replaced(good_answer, ": mqtt", ": chat")), "does not speak MQTT, but chat");
    has(refusal_of(replaced(good_answer, "Sec-WebSocket-Protocol: mqtt\r\n", "")), "does not speak MQTT:");
    has(refusal_of(replaced(good_answer, "101 Switching Protocols", "404 Not\x1b Found")),
        "404 Not\\x1b Found");
    has(refusal_of("HTTP/2 \r\n"), "does not speak HTTP");
    has(refusal_of("x"), "does not speak HTTP");
    has(refusal_of("HTTP/1.1 200 " + std::string(20'000, 'a')), "no end");
}

TEST_CASE("frames come in any pieces") {
    const std::string long_one(126, 'l'), longest(70'000, 'L');
    const std::string wire = "\x02\x01"s + "a" + "\x89\x04"s + "ping" + "\0\0"s + "\x80\x02"s + "bc" +
                             "\x82\x7e\0\x7e"s + long_one + "\x82\0"s + "\x82\x7f\0\0\0\0\0\x01\x11\x70"s +
                             longest + "\x8a\x01"s + "x" + "\x88\x09\x03\xe9"s + "restart" + "\x82\x01z"s;
    for (const std::size_t piece : {1U, 2U, 3U, 7U, 100U, 65'536U, 100'000U}) {
        WebSocketReader reader;
        std::string out;
        for (std::size_t at = 0; at < wire.size(); at += piece) reader.take(wire.substr(at, piece), out);
        CHECK(out == "abc" + long_one + longest);
        CHECK(reader.take_ping() == "ping");
        CHECK_FALSE(reader.take_ping());
        REQUIRE(reader.end());
        CHECK(reader.end()->code == 1000);
        CHECK(reader.end()->why == "it closes the WebSocket: 1001 restart");
    }
}

TEST_CASE("a close without a word, or a normal one, is no trouble") {
    for (const auto &wire : {"\x88\0"s, "\x88\x02\x03\xe8"s}) {
        CHECK(end_of(wire).code == 1000);
        CHECK(end_of(wire).why.empty());
    }
}

TEST_CASE("what breaks the rules ends it") {
    CHECK(end_of("\x81\x05hello").code == 1003);
    for (const auto &wire : {"\xc2\0"s, "\x82\x80"s, "\x82\x7f\x80\0\0\0\0\0\0\0"s, "\x80\0"s, "\x83\0"s,
                             "\x8b\0"s, "\x09\0"s, "\x88\x01\x03"s, "\x82\x7e\0\x7d"s,
                             "\x82\x7f\0\0\0\0\0\0\xff\xff"s, "\x89\x7e\0\x7e"s, "\x02\0\x82\0"s}) {
        CHECK(end_of(wire).code == 1002);
        CHECK_FALSE(end_of(wire).why.empty());
    }
}

TEST_CASE("our frames are masked, each with a mask of its own") {
    const std::string one = websocket_binary("hello"), other = websocket_binary("hello");
    CHECK(one.substr(0, 2) == "\x82\x85"s);
    CHECK(payload_of(one) == "hello");
    CHECK(one.substr(2, 4) != other.substr(2, 4));
    CHECK(websocket_binary(std::string(126, 'x')).substr(0, 4) == "\x82\xfe\0\x7e"s);
    CHECK(websocket_binary(std::string(65'535, 'x')).size() == 65'535 + 8);
    CHECK(websocket_binary(std::string(65'536, 'x')).substr(0, 10) == "\x82\xff\0\0\0\0\0\x01\0\0"s);
    CHECK(websocket_pong("p").substr(0, 2) == "\x8a\x81"s);
    CHECK(payload_of(websocket_close(1003)) == "\x03\xeb"s);
}
