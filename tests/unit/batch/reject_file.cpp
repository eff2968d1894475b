#include "batch/reject_file.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "catch.hpp"
#include "samples.hpp"

using namespace ble;

namespace {

struct Folder {
    Folder() {
        char name[] = "/tmp/blepipe-reject-XXXXXX";
        path = mkdtemp(name);
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string path;
};

std::vector<std::string> lines_of(const std::string &path) {
    std::ifstream file(path);
    std::vector<std::string> lines;
    for (std::string line; std::getline(file, line);) lines.push_back(line);
    return lines;
}

}  // namespace

TEST_CASE("a rejected line is kept with its reason and time") {
    Folder folder;
    const std::string path = folder.path + "/rejected";
    RejectFile file(path);
    CHECK_FALSE(std::filesystem::exists(path));
    file.add("{\"a\":\n", "not JSON at byte 5: \"end\"");
    file.add("\xff\x01", "not UTF-8");
    CHECK(file.count() == 2);
    const auto lines = lines_of(path);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].find("{\"time\":\"2") == 0);
    CHECK(lines[0].find(R"(Z","reason":"not JSON at byte 5: \"end\"","line":"{\"a\":\n"})") !=
          std::string::npos);
    CHECK(lines[1].find(R"("line_hex":"ff01"})") != std::string::npos);
    for (const auto &line : lines) CHECK(refusal(line) == "device_id: absent");  // that is: JSON
}

TEST_CASE("several lines at once are kept each for itself") {
    Folder folder;
    RejectFile file(folder.path + "/rejected");
    file.add(std::vector<Rejected>{{"one", "a"}, {"two", "b"}});
    file.add(std::vector<Rejected>{});
    CHECK(file.count() == 2);
    const auto lines = lines_of(folder.path + "/rejected");
    REQUIRE(lines.size() == 2);
    CHECK(lines[0].ends_with(R"("reason":"a","line":"one"})"));
    CHECK(lines[1].ends_with(R"("reason":"b","line":"two"})"));
}

TEST_CASE("the file is bounded, what an earlier run left included") {
    Folder folder;
    const std::string path = folder.path + "/rejected";
    for (int run = 0; run < 2; ++run) {
        RejectFile file(path, 300);
        for (int i = 0; i < 10; ++i) file.add("line", "reason");
        CHECK(file.count() == 10);
        CHECK(std::filesystem::file_size(path) <= 300);
        CHECK(lines_of(path).size() == 4);
    }
}

TEST_CASE("without a path lines are counted only") {
    RejectFile file("");
    file.add("line", "reason");
    CHECK(file.count() == 1);
}

TEST_CASE("a missing folder or a full disk is no error, and is tried again") {
    Folder folder;
    const std::string path = folder.path + "/later/rejected";
    RejectFile file(path);
    file.add("one", "reason");
    std::filesystem::create_directory(folder.path + "/later");
    file.add("two", "reason");
    CHECK(file.count() == 2);
    CHECK(lines_of(path).size() == 1);
    RejectFile full("/dev/full");
    full.add("line", "reason");
    CHECK(full.count() == 1);
}
