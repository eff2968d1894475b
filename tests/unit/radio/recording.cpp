// What is recorded from the monitor channel is read again as it was, by our own reader.
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "catch.hpp"

#include "base/error.hpp"
#include "captures.hpp"
#include "file_limit.hpp"
#include "radio/capture/btsnoop_writer.hpp"

using namespace captures;

namespace {

class Folder {
  public:
    Folder() {
        std::string name = "/tmp/blepipe-recording-XXXXXX";
        if (::mkdtemp(name.data()) == nullptr) throw std::runtime_error("mkdtemp");
        path_ = name;
    }
    ~Folder() { std::filesystem::remove_all(path_); }
    std::string file() const { return path_ + "/a.btsnoop"; }

  private:
    std::string path_;
};

Bytes contents(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

const ble::Time at{std::chrono::microseconds(sample_us)};

}  // namespace

TEST_CASE("a recording is a btsnoop file of data link 2001") {
    const Folder folder;
    const auto event = legacy_event();
    {
        ble::BtsnoopWriter writer(folder.file());
        writer.note(at, "who recorded this");
        writer.write({at + std::chrono::microseconds(5), 3, 1, event}, 0);
    }
    const std::string text("who recorded this\0", 18);
    CHECK(contents(folder.file()) == btsnoop_header(2001) +
                                         btsnoop_record(Bytes(text.begin(), text.end()), 0xffff000c) +
                                         btsnoop_record(event, 0x00010003, sample_us + 5));
    CHECK(read(contents(folder.file())).reports.size() == 1);
}

TEST_CASE("a recording is for its owner only, and overwrites nothing") {
    const Folder folder;
    { const ble::BtsnoopWriter writer(folder.file()); }
    struct stat status {};
    REQUIRE(::stat(folder.file().c_str(), &status) == 0);
    CHECK((status.st_mode & 0777) == 0600);
    CHECK(read(contents(folder.file())).problem.empty());
    try {
        const ble::BtsnoopWriter again(folder.file());
        FAIL("overwritten");
    } catch (const ble::Error &error) {
        CHECK(error.code() == ble::ExitCode::unavailable);
        CHECK(std::string(error.what()).find("exists") != std::string::npos);
    }
}

TEST_CASE("on a full disk a recording ends behind a whole record") {
    const Folder folder;
    const auto event = legacy_event();
    const auto record = btsnoop_record(event, 3).size();
    ble::BtsnoopWriter writer(folder.file());
    writer.write({at, 3, 0, event}, 0);
    writer.flush();
    CHECK_FALSE(writer.failed());
    {
        const ble::test::FileLimit full(16 + 2 * record + 3);
        for (int i = 0; i < 5; ++i) writer.write({at, 3, 0, event}, 0);
        writer.flush();
    }
    CHECK(writer.failed());
    writer.write({at, 3, 0, event}, 0);  // there is room again, but a gap would not show
    writer.flush();
    const auto got = read(contents(folder.file()));
    CHECK(got.problem.empty());
    CHECK(got.reports.size() == 1);
}

TEST_CASE("packets lost before a record are told in it") {
    const Folder folder;
    {
        ble::BtsnoopWriter writer(folder.file());
        writer.write({at, 3, 0, legacy_event()}, 7);
    }
    CHECK(contents(folder.file())[16 + 15] == 7);
}
