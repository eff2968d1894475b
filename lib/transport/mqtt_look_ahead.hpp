// What a broker sends next, seen before libmosquitto reads it: whether there is anything, and what a DISCONNECT says, which the library
// does not pass on.
#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

struct ssl_st;  // OpenSSL's SSL

namespace ble {

class MqttLookAhead {
  public:
    // Before a read of one packet, or of all that is there. False: nothing is. `ssl`: over this connection; null: as it comes
    // from the socket `fd`. Consumes nothing.
    enum class Reach { packet, all };
    bool look(int fd, ssl_st *ssl, Reach reach);
    // What was there then.
    std::string_view seen() const { return {bytes_.data(), size_}; }

  private:
    bool peek(int fd, ssl_st *ssl, std::size_t most);

    std::vector<char> bytes_;
    std::size_t size_ = 0;
};

}  // namespace ble
