#include "transport/mqtt_look_ahead.hpp"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "transport/mqtt_disconnect.hpp"

namespace ble {
namespace {

constexpr std::size_t of_packet = 512, of_all = 65'536;

}  // namespace

bool MqttLookAhead::look(int fd, ssl_st *ssl, Reach reach) {
    if (!peek(fd, ssl, reach == Reach::packet ? of_packet : of_all)) return false;
    const bool cut = size_ == of_packet && bytes_.front() == static_cast<char>(mqtt_disconnect_head);
    return !cut || peek(fd, ssl, of_all);
}

bool MqttLookAhead::peek(int fd, ssl_st *ssl, std::size_t most) {
    if (bytes_.size() < most) bytes_.resize(most);
    if (ssl == nullptr) {
        const auto size = ::recv(fd, bytes_.data(), most, MSG_PEEK | MSG_DONTWAIT);
        size_ = static_cast<std::size_t>(std::max<ssize_t>(size, 0));
        return size >= 0 || errno != EAGAIN;
    }
    const int size = SSL_peek(ssl, bytes_.data(), static_cast<int>(most));
    const bool nothing = size <= 0 && SSL_get_error(ssl, size) == SSL_ERROR_WANT_READ;
    ERR_clear_error();  // an error is the library's to find
    size_ = static_cast<std::size_t>(std::max(size, 0));
    return !nothing;
}

}  // namespace ble
