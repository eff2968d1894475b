// The functions of libcurl that we call, which load it with the first call. Linked in the usual way it and the 26 libraries behind it
// would take 4 MiB of every blesend and blesub, also where they speak MQTT over TCP. A function that is not here is not found when linking.
#define CURL_DISABLE_TYPECHECK  // that would be macros of these names
#include <curl/curl.h>

#include <cstdarg>

#include "base/late_library.hpp"

namespace ble {
namespace {

constexpr LateLibrary library("libcurl.so.4", "HTTP", "libcurl4t64, or libcurl4 on Debian 12");

// What an option takes is told by its number (curl.h).
template <class Call>
auto pass_on(int option, va_list &values, Call call) {
    const int type = option / 10'000 * 10'000;
    if (type == CURLOPTTYPE_OFF_T) return call(va_arg(values, curl_off_t));
    if (type == CURLOPTTYPE_LONG) return call(va_arg(values, long));
    return call(va_arg(values, void *));
}

// A URL to be read: const in libcurl 8, not before.
template <class Function>
struct FirstParameter;
template <class Result, class First, class... Others>
struct FirstParameter<Result(First, Others...)> {
    using Type = First;
};
using UrlToRead = FirstParameter<decltype(::curl_url_get)>::Type;

}  // namespace
}  // namespace ble

#define BLEPIPE_CURL(name) static auto *const call = ble::library.find(#name, &::name)

// va_start() behind an enumeration, which clang dislikes: so libcurl declares these functions, and so it does itself.
#pragma GCC diagnostic ignored "-Wvarargs"

extern "C" {

CURLcode curl_global_init(long flags) {
    BLEPIPE_CURL(curl_global_init);
    return call(flags);
}
time_t curl_getdate(const char *text, const time_t *unused) {
    BLEPIPE_CURL(curl_getdate);
    return call(text, unused);
}
void curl_free(void *memory) {
    BLEPIPE_CURL(curl_free);
    call(memory);
}
curl_slist *curl_slist_append(curl_slist *list, const char *text) {
    BLEPIPE_CURL(curl_slist_append);
    return call(list, text);
}
void curl_slist_free_all(curl_slist *list) {
    if (list == nullptr) return;
    BLEPIPE_CURL(curl_slist_free_all);
    call(list);
}

CURL *curl_easy_init() {
    BLEPIPE_CURL(curl_easy_init);
    return call();
}
void curl_easy_cleanup(CURL *easy) {
    if (easy == nullptr) return;
    BLEPIPE_CURL(curl_easy_cleanup);
    call(easy);
}
void curl_easy_reset(CURL *easy) {
    BLEPIPE_CURL(curl_easy_reset);
    call(easy);
}
const char *curl_easy_strerror(CURLcode code) {
    BLEPIPE_CURL(curl_easy_strerror);
    return call(code);
}
CURLcode curl_easy_setopt(CURL *easy, CURLoption option, ...) {
    BLEPIPE_CURL(curl_easy_setopt);
    va_list values;
    va_start(values, option);
    const CURLcode code = ble::pass_on(option, values, [&](auto value) { return call(easy, option, value); });
    va_end(values);
    return code;
}
CURLcode curl_easy_getinfo(CURL *easy, CURLINFO info, ...) {
    BLEPIPE_CURL(curl_easy_getinfo);
    va_list values;
    va_start(values, info);
    const CURLcode code = call(easy, info, va_arg(values, void *));
    va_end(values);
    return code;
}
CURLHcode curl_easy_header(CURL *easy, const char *name, size_t index, unsigned origin, int request,
                           curl_header **header) {
    BLEPIPE_CURL(curl_easy_header);
    return call(easy, name, index, origin, request, header);
}

CURLcode curl_easy_recv(CURL *easy, void *bytes, size_t room, size_t *size) {
    BLEPIPE_CURL(curl_easy_recv);
    return call(easy, bytes, room, size);
}
CURLcode curl_easy_send(CURL *easy, const void *bytes, size_t given, size_t *size) {
    BLEPIPE_CURL(curl_easy_send);
    return call(easy, bytes, given, size);
}

CURLM *curl_multi_init() {
    BLEPIPE_CURL(curl_multi_init);
    return call();
}
CURLMcode curl_multi_cleanup(CURLM *multi) {
    BLEPIPE_CURL(curl_multi_cleanup);
    return call(multi);
}
CURLMcode curl_multi_setopt(CURLM *multi, CURLMoption option, ...) {
    BLEPIPE_CURL(curl_multi_setopt);
    va_list values;
    va_start(values, option);
    const CURLMcode code =
        ble::pass_on(option, values, [&](auto value) { return call(multi, option, value); });
    va_end(values);
    return code;
}
CURLMcode curl_multi_add_handle(CURLM *multi, CURL *easy) {
    BLEPIPE_CURL(curl_multi_add_handle);
    return call(multi, easy);
}
CURLMcode curl_multi_remove_handle(CURLM *multi, CURL *easy) {
    BLEPIPE_CURL(curl_multi_remove_handle);
    return call(multi, easy);
}
CURLMcode curl_multi_socket_action(CURLM *multi, curl_socket_t socket, int events, int *running) {
    BLEPIPE_CURL(curl_multi_socket_action);
    return call(multi, socket, events, running);
}
CURLMsg *curl_multi_info_read(CURLM *multi, int *left) {
    BLEPIPE_CURL(curl_multi_info_read);
    return call(multi, left);
}

CURLU *curl_url() {
    BLEPIPE_CURL(curl_url);
    return call();
}
void curl_url_cleanup(CURLU *url) {
    if (url == nullptr) return;
    BLEPIPE_CURL(curl_url_cleanup);
    call(url);
}
CURLUcode curl_url_get(ble::UrlToRead url, CURLUPart part, char **text, unsigned flags) {
    BLEPIPE_CURL(curl_url_get);
    return call(url, part, text, flags);
}
CURLUcode curl_url_set(CURLU *url, CURLUPart part, const char *text, unsigned flags) {
    BLEPIPE_CURL(curl_url_set);
    return call(url, part, text, flags);
}

}  // extern "C"
