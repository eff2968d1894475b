#include "transport/curl_stream.hpp"

#include <curl/curl.h>
#include <openssl/ssl.h>

#include <cstring>

#include "base/error.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

constexpr long proxy_wants_login = 407;

// A name that we connect to, and the address it has: libcurl would look it up itself.
curl_slist *steer(const MqttServer &server, const std::string &address) {
    const auto &[host, port] = server.next_hop();
    if (host == address) return nullptr;
    const bool v6 = address.find(':') != std::string::npos;
    const std::string entry = host + ":" + std::to_string(port) + ":" + (v6 ? "[" + address + "]" : address);
    return curl_slist_append(nullptr, entry.c_str());
}

std::string alpn_list(const MqttOptions &options) {
    const std::string name = options.alpn.empty() ? "http/1.1" : options.alpn;
    return static_cast<char>(name.size()) + name;
}

template <typename Value>
void set(CURL *easy, CURLoption option, Value value) {
    check_curl(curl_easy_setopt(easy, option, value));
}

}  // namespace

void CurlStream::FreeList::operator()(curl_slist *list) const {
    curl_slist_free_all(list);
}

CurlStream::CurlStream(const MqttOptions &options, const MqttServer &server, const std::string &address)
    : server_(server), protocols_(alpn_list(options)), addresses_(steer(server, address)) {
    static_assert(sizeof said_ >= CURL_ERROR_SIZE);
    set_up(options.tls);
    if (options.tls) set_up_tls(options);
    multi_.begin(easy_.get());
}

void CurlStream::set_up(bool tls) {
    CURL *easy = easy_.get();
    set(easy, CURLOPT_URL, ((tls ? "https://" : "http://") + server_.address()).c_str());
    set(easy, CURLOPT_CONNECT_ONLY, 1L);
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_RESOLVE, addresses_.get());
    set(easy, CURLOPT_ERRORBUFFER, said_.data());
    // The environment's proxy and its exceptions are among the options already.
    set(easy, CURLOPT_NOPROXY, "");
    set(easy, CURLOPT_PROXY, server_.proxy ? ("http://" + server_.proxy->authority()).c_str() : "");
    set(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
}

void CurlStream::set_up_tls(const MqttOptions &options) {
    CURL *easy = easy_.get();
    set_curl_tls(easy, {options.cafile, options.capath, options.cert, options.key, options.insecure});
    const auto on_context = [](CURL *, void *context, void *list) -> CURLcode {
        const auto &names = *static_cast<const std::string *>(list);
        SSL_CTX_set_alpn_protos(static_cast<SSL_CTX *>(context),
                                reinterpret_cast<const unsigned char *>(names.data()),
                                static_cast<unsigned>(names.size()));
        return CURLE_OK;
    };
    set(easy, CURLOPT_SSL_ENABLE_ALPN, 0L);  // it has no names but its own
    set(easy, CURLOPT_SSL_CTX_FUNCTION, +on_context);
    set(easy, CURLOPT_SSL_CTX_DATA, const_cast<std::string *>(&protocols_));
}

void CurlStream::step() {
    if (state_ != State::opening) return;
    const auto ended = multi_.step();
    if (ended.empty()) return;
    if (ended.front().code != CURLE_OK) return fail(ended.front().code);
    curl_socket_t socket = CURL_SOCKET_BAD;
    curl_easy_getinfo(easy_.get(), CURLINFO_ACTIVESOCKET, &socket);
    if (socket == CURL_SOCKET_BAD) return fail(CURLE_COULDNT_CONNECT);
    socket_ = socket;
    state_ = State::open;
}

void CurlStream::fail(int code) {
    trouble_ = text_of(code);
    state_ = State::ended;
}

std::string CurlStream::text_of(int code) {
    long status = 0, error = 0;
    curl_easy_getinfo(easy_.get(), CURLINFO_HTTP_CONNECTCODE, &status);
    if (state_ == State::opening && server_.proxy && status != 0 && status / 100 != 2)
        return refusal_of_proxy(status);
    curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &error);
    std::string text =
        printable(said_[0] != '\0' ? said_.data() : curl_easy_strerror(static_cast<CURLcode>(code)));
    const bool unreached = code == CURLE_COULDNT_CONNECT && error != 0;
    if (unreached) text = std::strerror(static_cast<int>(error));
    if (unreached && server_.proxy) text = "no connection to the proxy " + server_.proxy->host + ": " + text;
    return text;
}

std::string CurlStream::refusal_of_proxy(long status) const {
    const std::string text =
        "no connection by the proxy " + server_.proxy->host + ": it answers " + std::to_string(status);
    if (status != proxy_wants_login) return text + ", may it connect us there?";
    return text + (server_.proxy->login.empty()
                       ? "; it wants a user name and a password: give them in http_proxy or https_proxy"
                       : "; it does not take this user name and password");
}

std::size_t CurlStream::receive(std::span<char> room) {
    if (state_ != State::open) return 0;
    std::size_t count = 0;
    const CURLcode code = curl_easy_recv(easy_.get(), room.data(), room.size(), &count);
    if (code == CURLE_OK && count == 0) state_ = State::ended;
    return moved(code, count);
}

std::size_t CurlStream::send(std::string_view bytes) {
    if (state_ != State::open) return 0;
    std::size_t count = 0;
    const CURLcode code = curl_easy_send(easy_.get(), bytes.data(), bytes.size(), &count);
    return moved(code, count);
}

std::size_t CurlStream::moved(int code, std::size_t count) {
    if (code == CURLE_OK) return count;
    if (code != CURLE_AGAIN) fail(code);
    return 0;
}

}  // namespace ble
