// A client's side of the handshake of WebSocket (RFC 6455, 4.1) for MQTT (MQTT 5, 6: the subprotocol "mqtt").
#pragma once

#include <string>
#include <string_view>

namespace ble {

class WebSocketHandshake {
  public:
    // For one handshake: 16 random bytes in base64. Error(system) when the system has none.
    static std::string make_key();
    // `authority`: HOST or HOST:PORT, as a URL has it. `path` begins with '/'.
    WebSocketHandshake(const std::string &authority, const std::string &path, const std::string &key);

    // What is to be sent.
    const std::string &request() const { return request_; }

    enum class State { waiting, accepted, refused };
    // Some more of the server's answer.
    State take(std::string_view bytes);
    State state() const { return state_; }
    // Once accepted: what came behind the answer.
    const std::string &rest() const { return answer_; }
    // Once refused: why, for people, with what to do.
    const std::string &trouble() const { return trouble_; }
    bool silent() const { return answer_.empty() && state_ == State::waiting; }  // nothing has come yet

  private:
    State refuse(const std::string &why);
    State judge(std::string_view head);
    std::string of_status(std::string_view status, std::string_view location) const;

    const std::string path_, key_;
    const std::string request_;
    std::string answer_, trouble_;
    State state_ = State::waiting;
};

}  // namespace ble
