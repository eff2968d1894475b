#include "server/hangup_watch.hpp"

#include <libwebsockets.h>
#include <sys/epoll.h>

#include <array>

#include "base/error.hpp"

namespace ble {

HangupWatch::HangupWatch(LwsLoop &loop) : epoll_(epoll_create1(EPOLL_CLOEXEC)) {
    if (!epoll_) throw system_error("watch connections");
    loop.watch(epoll_.get(), [this] { look(); });
}

void HangupWatch::add(lws *wsi) {
    epoll_event event{};
    event.events = EPOLLIN | EPOLLRDHUP | EPOLLONESHOT;
    event.data.ptr = wsi;
    if (epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, lws_get_socket_fd(wsi), &event) != 0)
        throw system_error("watch a connection");
}

void HangupWatch::remove(lws *wsi) {
    epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, lws_get_socket_fd(wsi), nullptr);
}

void HangupWatch::look() {
    std::array<epoll_event, 64> events;
    const int count = epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()), 0);
    for (int i = 0; i < count; i++) {
        auto *wsi = static_cast<lws *>(events[static_cast<std::size_t>(i)].data.ptr);
        lws_set_timeout(wsi, PENDING_TIMEOUT_KILLED_BY_PARENT, LWS_TO_KILL_ASYNC);
    }
}

}  // namespace ble
