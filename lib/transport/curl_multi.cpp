#include "transport/curl_multi.hpp"

#include <curl/curl.h>
#include <sys/epoll.h>

#include <algorithm>
#include <iterator>

#include "base/error.hpp"

namespace ble {

void check_curl(int code) {
    if (code != CURLE_OK)
        throw Error(ExitCode::software, std::string("unable to set up libcurl: ") +
                                            curl_easy_strerror(static_cast<CURLcode>(code)));
}

namespace {

using Clock = std::chrono::steady_clock;
using std::chrono::milliseconds;

void init_once() {
    static const CURLcode code = curl_global_init(CURL_GLOBAL_DEFAULT);
    check_curl(code);
}

// Whether an exchange by TLS fails at TLS, libcurl does not always know: a server that wants a certificate of ours and gets none may
// just hang up.
bool may_be_tls(CURLcode code) {
    constexpr CURLcode of_tls[] = {CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION,
                                   CURLE_SSL_CERTPROBLEM,   CURLE_SEND_ERROR,
                                   CURLE_RECV_ERROR,        CURLE_GOT_NOTHING};
    return std::find(std::begin(of_tls), std::end(of_tls), code) != std::end(of_tls);
}

// Of an exchange without TLS: what answers may want it, or be no server of HTTP.
bool may_be_other(CURLcode code) {
    constexpr CURLcode strange[] = {CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_GOT_NOTHING,
                                    CURLE_UNSUPPORTED_PROTOCOL, CURLE_WEIRD_SERVER_REPLY};
    return std::find(std::begin(strange), std::end(strange), code) != std::end(strange);
}

}  // namespace

bool worth_a_look(int code, bool tls) {
    return tls ? may_be_tls(static_cast<CURLcode>(code)) : may_be_other(static_cast<CURLcode>(code));
}

void CurlEasyDeleter::operator()(void *easy) const {
    curl_easy_cleanup(easy);
}

CurlEasy make_curl_easy() {
    init_once();
    CurlEasy easy(curl_easy_init());
    if (!easy) throw Error(ExitCode::system, "unable to set up libcurl: out of memory");
    return easy;
}

void set_curl_tls(void *easy, const CurlTls &tls) {
    const auto set_text = [easy](CURLoption option, const std::string &text) {
        check_curl(curl_easy_setopt(easy, option, text.empty() ? nullptr : text.c_str()));
    };
    // Debian's libcurl trusts the system's authorities by a file and by a folder: who names one of them does not want the other.
    if (!tls.cafile.empty() || !tls.capath.empty()) {
        set_text(CURLOPT_CAINFO, tls.cafile);
        set_text(CURLOPT_CAPATH, tls.capath);
    }
    set_text(CURLOPT_SSLCERT, tls.cert);
    set_text(CURLOPT_SSLKEY, tls.key);
    check_curl(curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, tls.insecure ? 0L : 1L));
    check_curl(curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, tls.insecure ? 0L : 2L));
}

CurlMulti::CurlMulti(std::size_t most_connections) : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    init_once();
    if (!epoll_) throw system_error("wait for the network");
    multi_ = curl_multi_init();
    if (multi_ == nullptr) throw Error(ExitCode::system, "unable to set up libcurl: out of memory");
    const auto on_socket = [](CURL *, curl_socket_t socket, int what, void *self, void *) {
        static_cast<CurlMulti *>(self)->watch(socket, what);
        return 0;
    };
    const auto on_timer = [](CURLM *, long delay_ms, void *self) {
        auto &timer = static_cast<CurlMulti *>(self)->timer_;
        timer = Clock::now() + milliseconds(delay_ms);
        if (delay_ms < 0) timer.reset();
        return 0;
    };
    curl_multi_setopt(multi_, CURLMOPT_SOCKETFUNCTION, +on_socket);
    curl_multi_setopt(multi_, CURLMOPT_SOCKETDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_TIMERFUNCTION, +on_timer);
    curl_multi_setopt(multi_, CURLMOPT_TIMERDATA, this);
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, static_cast<long>(most_connections));
}

CurlMulti::~CurlMulti() {
    for (void *easy : begun_) curl_multi_remove_handle(multi_, easy);
    curl_multi_cleanup(multi_);
}

void CurlMulti::watch(int socket, int what) const {
    epoll_event event{};
    event.data.fd = socket;
    if ((what & CURL_POLL_IN) != 0) event.events |= EPOLLIN;
    if ((what & CURL_POLL_OUT) != 0) event.events |= EPOLLOUT;
    if (what == CURL_POLL_REMOVE) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, socket, nullptr);  // may be closed already
    } else if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket, &event) != 0) {
        ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, socket, &event);
    }
}

void CurlMulti::begin(void *easy) {
    curl_multi_add_handle(multi_, easy);
    begun_.push_back(easy);
    int running = 0;
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    ended_at_once_ = ended_at_once_ || static_cast<std::size_t>(running) < begun_.size();
}

void CurlMulti::remove(void *easy) {
    curl_multi_remove_handle(multi_, easy);
    begun_.erase(std::find(begun_.begin(), begun_.end(), easy));
}

std::optional<Clock::time_point> CurlMulti::due() const {
    return ended_at_once_ ? Clock::now() : timer_;
}

std::vector<CurlMulti::End> CurlMulti::step() {
    epoll_event events[32];
    int running = 0;
    const int count = ::epoll_wait(epoll_.get(), events, std::size(events), 0);
    for (int i = 0; i < count; ++i) {
        int what = 0;
        if ((events[i].events & EPOLLIN) != 0) what |= CURL_CSELECT_IN;
        if ((events[i].events & EPOLLOUT) != 0) what |= CURL_CSELECT_OUT;
        if ((events[i].events & (EPOLLERR | EPOLLHUP)) != 0) what |= CURL_CSELECT_ERR;
        curl_multi_socket_action(multi_, events[i].data.fd, what, &running);
    }
    if (timer_ && Clock::now() >= *timer_) {
        timer_.reset();
        curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    }
    ended_at_once_ = false;
    std::vector<End> ended;
    while (const CURLMsg *done = curl_multi_info_read(multi_, &running))
        if (done->msg == CURLMSG_DONE) ended.push_back({done->easy_handle, done->data.result});
    return ended;
}

}  // namespace ble
