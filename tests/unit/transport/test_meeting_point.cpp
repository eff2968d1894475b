#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "base/error.hpp"
#include "catch.hpp"
#include "transport/meeting_point.hpp"

using namespace ble;

namespace {

UniqueFd connect_to(const std::string &path) {
    UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    REQUIRE(::connect(fd.get(), reinterpret_cast<sockaddr *>(&address), sizeof address) == 0);
    return fd;
}

// TMPDIR for the length of a test.
class Temporary {
  public:
    explicit Temporary(const std::string &value) { ::setenv("TMPDIR", value.c_str(), 1); }
    ~Temporary() { ::unsetenv("TMPDIR"); }
};

}  // namespace

TEST_CASE("who connects to a meeting point reaches our end, and nothing of it is left") {
    std::string path;
    UniqueFd near, far;
    {
        const MeetingPoint point;
        path = point.path();
        struct stat folder {};
        REQUIRE(::stat(std::filesystem::path(path).parent_path().c_str(), &folder) == 0);
        CHECK((folder.st_mode & 0777) == 0700);
        near = connect_to(path);
        far = point.accept();
    }
    CHECK_FALSE(std::filesystem::exists(std::filesystem::path(path).parent_path()));
    REQUIRE(::send(near.get(), "x", 1, 0) == 1);
    char byte = 0;
    CHECK(::recv(far.get(), &byte, 1, 0) == 1);
    CHECK(byte == 'x');
}

TEST_CASE("where nobody has connected there is no end") {
    CHECK_THROWS_AS(MeetingPoint().accept(), Error);
}

TEST_CASE("a meeting point is where temporary files are, else in /tmp") {
    char folder[] = "/tmp/meeting-XXXXXX";
    REQUIRE(::mkdtemp(folder) != nullptr);
    {
        const Temporary there(folder);
        CHECK(MeetingPoint().path().starts_with(std::string(folder) + "/blepipe-"));
    }
    CHECK(::rmdir(folder) == 0);
    for (const std::string &useless : {std::string("/nowhere"), "/tmp/" + std::string(100, '/')}) {
        const Temporary there(useless);
        CHECK(MeetingPoint().path().starts_with("/tmp/blepipe-"));
    }
}
