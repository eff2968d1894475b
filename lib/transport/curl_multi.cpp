#include "transport/curl_multi.hpp"

#include <curl/curl.h>
#include <sys/epoll.h>

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

}  // namespace

CurlMulti::CurlMulti() : epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
    init_once();
    if (!epoll_) throw system_error("wait for the network");
    multi_ = curl_multi_init();
    easy_ = curl_easy_init();
    if (multi_ == nullptr || easy_ == nullptr)
        throw Error(ExitCode::system, "unable to set up libcurl: out of memory");
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
    curl_multi_setopt(multi_, CURLMOPT_MAXCONNECTS, 1L);
}

CurlMulti::~CurlMulti() {
    curl_multi_remove_handle(multi_, easy_);
    curl_easy_cleanup(easy_);
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

void CurlMulti::reset() {
    curl_multi_remove_handle(multi_, easy_);
    curl_easy_reset(easy_);
}

void CurlMulti::set_tls(const CurlTls &tls) const {
    const auto set_text = [this](CURLoption option, const std::string &text) {
        check_curl(curl_easy_setopt(easy_, option, text.empty() ? nullptr : text.c_str()));
    };
    // Debian's libcurl trusts the system's authorities by a file and by a folder: who names one of them does not want the other.
    if (!tls.cafile.empty() || !tls.capath.empty()) {
        set_text(CURLOPT_CAINFO, tls.cafile);
        set_text(CURLOPT_CAPATH, tls.capath);
    }
    set_text(CURLOPT_SSLCERT, tls.cert);
    set_text(CURLOPT_SSLKEY, tls.key);
    check_curl(curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYPEER, tls.insecure ? 0L : 1L));
    check_curl(curl_easy_setopt(easy_, CURLOPT_SSL_VERIFYHOST, tls.insecure ? 0L : 2L));
}

void CurlMulti::begin() {
    curl_multi_add_handle(multi_, easy_);
    int running = 0;
    curl_multi_socket_action(multi_, CURL_SOCKET_TIMEOUT, 0, &running);
    ended_at_once_ = running == 0;
}

std::optional<Clock::time_point> CurlMulti::due() const {
    return ended_at_once_ ? Clock::now() : timer_;
}

std::optional<int> CurlMulti::step() {
    epoll_event events[8];
    int running = 0;
    const int count = ::epoll_wait(epoll_.get(), events, 8, 0);
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
    const CURLMsg *done = curl_multi_info_read(multi_, &running);
    if (done == nullptr || done->msg != CURLMSG_DONE) return {};
    return done->data.result;
}

}  // namespace ble
