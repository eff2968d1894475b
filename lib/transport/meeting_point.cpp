#include "transport/meeting_point.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>

#include "base/error.hpp"

namespace ble {
namespace {

// Of mode 0700, as mkdtemp(3) makes it.
std::string make_folder() {
    const char *of_user = std::getenv("TMPDIR");
    for (const char *place : {of_user, "/tmp", "/dev/shm"}) {
        if (place == nullptr) continue;
        std::string folder = std::string(place) + "/blepipe-XXXXXX";
        if (folder.size() + sizeof "/s" <= sizeof(sockaddr_un::sun_path) &&
            ::mkdtemp(folder.data()) != nullptr)
            return folder;
    }
    throw system_error("make a folder in /tmp");
}

}  // namespace

MeetingPoint::MeetingPoint()
    : folder_(make_folder()),
      path_(folder_ + "/s"),
      listener_(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof address.sun_path - 1);
    if (::bind(listener_.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) == 0 &&
        ::listen(listener_.get(), 1) == 0)
        return;
    const Error error = system_error("make the socket " + path_);
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
    throw error;
}

MeetingPoint::~MeetingPoint() {
    ::unlink(path_.c_str());
    ::rmdir(folder_.c_str());
}

UniqueFd MeetingPoint::accept() const {
    UniqueFd end(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!end) throw system_error("connect to the socket " + path_);
    return end;
}

}  // namespace ble
