#include "transport/http_request.hpp"

#include <curl/curl.h>

#include <algorithm>
#include <system_error>
#include <utility>

#include "base/log.hpp"
#include "base/version.hpp"
#include "transport/http.hpp"

namespace ble {

namespace {

template <class Value>
void set(void *easy, CURLoption option, Value value) {
    check_curl(curl_easy_setopt(easy, option, value));
}

}  // namespace

HttpHeaders make_http_headers(const char *type, const std::optional<std::string> &api_key) {
    curl_slist *list = curl_slist_append(nullptr, type);
    list = curl_slist_append(list, "Expect:");  // no pause for a "100 Continue" before long bodies
    if (api_key) list = curl_slist_append(list, ("X-API-Key: " + *api_key).c_str());
    return {list, curl_slist_free_all};
}

HttpRequest::HttpRequest(const HttpOptions &options) {
    static_assert(CURL_ERROR_SIZE <= std::tuple_size_v<decltype(text)>);
    const auto on_body = [](char *data, std::size_t, std::size_t size, void *self) -> std::size_t {
        return static_cast<HttpRequest *>(self)->take_body(data, size);
    };
    set(easy, CURLOPT_PRIVATE, this);
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_QUICK_EXIT, 1L);  // never wait for a name server that has not answered in time
    set(easy, CURLOPT_TIMEOUT_MS, static_cast<long>(options.timeout.count()));
    set(easy, CURLOPT_USERAGENT, (std::string("blesend/") + program_version).c_str());
    set(easy, CURLOPT_ACCEPT_ENCODING, "gzip");  // what packs answers unasked is understood as well
    set(easy, CURLOPT_ERRORBUFFER, text.data());
    set(easy, CURLOPT_WRITEFUNCTION, +on_body);
    set(easy, CURLOPT_WRITEDATA, this);
    if (!options.proxy.empty()) set(easy, CURLOPT_PROXY, options.proxy.c_str());
    set_curl_tls(easy, tls_of(options));
}

void HttpRequest::prepare(std::size_t server_given, const std::string &base_given,
                          const HttpHeaders &headers_given, std::optional<HttpMessage> message) {
    server = server_given;
    posted = std::move(message);
    answer = {};
    text.front() = '\0';
    base = base_given;
    const std::string before = std::exchange(url, base + (posted ? "/api/v1/detections/bulk" : "/health"));
    if (url != before) set(easy, CURLOPT_URL, url.c_str());
    if (headers != headers_given) set(easy, CURLOPT_HTTPHEADER, headers_given.get());
    headers = headers_given;
    if (posted) {
        set(easy, CURLOPT_POST, 1L);
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(posted->payload.size()));
        set(easy, CURLOPT_POSTFIELDS, posted->payload.data());
    } else {
        set(easy, CURLOPT_HTTPGET, 1L);
    }
}

std::size_t HttpRequest::take_body(const char *data, std::size_t size) {
    const std::size_t room = HttpAnswer::longest_body - answer.body.size();
    answer.too_long = size > room;
    answer.body.append(data, std::min(size, room));
    return answer.too_long ? 0 : size;
}

void HttpRequest::read_headers() {
    char *found = nullptr;
    curl_off_t length = -1;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &answer.status);
    if (curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &found) == CURLE_OK && found != nullptr)
        answer.type = found;
    if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &found) == CURLE_OK && found != nullptr)
        answer.location = found;
    curl_easy_getinfo(easy, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    answer.length_known = length >= 0 || !header("Transfer-Encoding").empty();
    answer.retry_after = header("Retry-After");
    answer.date = header("Date");
}

std::string HttpRequest::header(const char *name) const {
    curl_header *found = nullptr;
    if (curl_easy_header(easy, name, 0, CURLH_HEADER, -1, &found) != CURLHE_OK) return {};
    return found->value;
}

bool HttpRequest::proxied() const {
    long found = 0;
#if LIBCURL_VERSION_NUM >= 0x080700
    curl_easy_getinfo(easy, CURLINFO_USED_PROXY, &found);
#else
    long port = 0;
    curl_easy_getinfo(easy, CURLINFO_PRIMARY_PORT, &port);
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &found);
    if (port != server_of(base).port) found = 1;
#endif
    return found != 0;
}

std::string HttpRequest::describe(int code, bool has_certificate) const {
    const std::string what = (posted ? "POST " : "GET ") + url + ": ";
    if (code != CURLE_OK) {
        std::string why =
            text.front() != '\0' ? text.data() : curl_easy_strerror(static_cast<CURLcode>(code));
        long error = 0;  // libcurl's text has not the system's word for it
        if (code == CURLE_COULDNT_CONNECT && curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &error) == CURLE_OK &&
            error != 0)
            why += ": " + std::system_category().message(static_cast<int>(error));
        if (code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_WEIRD_SERVER_REPLY)
            why = "what answers there does not speak HTTP: " + why;
        return what + printable(why);
    }
    std::string why = answer.describe();
    if (!has_certificate && answer.body.find("No required SSL certificate") != std::string::npos)  // so nginx
        why += "; it asks for a certificate of ours: give one with --cert and --key";
    return what + why;
}

}  // namespace ble
