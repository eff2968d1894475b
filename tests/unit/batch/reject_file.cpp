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

TEST_CASE("one sender has a quarter of the file") {
    Folder folder;
    const std::string path = folder.path + "/rejected";
    const std::string line(300, 'x');
    const auto records = [&](const std::string &from) {
        int count = 0;
        for (const auto &record : lines_of(path))
            count += record.find("Z\",\"from\":" + from + ",\"reason\"") != std::string::npos ? 1 : 0;
        return count;
    };
    {
        RejectFile file(path, 8000);
        for (int i = 0; i < 40; ++i) file.add(std::vector<Rejected>{{line, "junk", "key \"pi\" 9"}});
        CHECK(records(R"("key \"pi\" 9")") == 5);
        file.add(std::vector<Rejected>{{line, "junk", "pi-1"}});
        CHECK(records("\"pi-1\"") == 1);
        CHECK(file.count() == 41);
    }
    // A new start does not begin the share anew.
    RejectFile file(path, 8000);
    file.add(std::vector<Rejected>{{line, "junk", "key \"pi\" 9"}, {line, "junk", "pi-1"}});
    CHECK(records(R"("key \"pi\" 9")") == 5);
    CHECK(records("\"pi-1\"") == 2);
    // Those whom nobody knows have one together, and the tool's own lines are not counted to any.
    for (int i = 0; i < 40; ++i) file.add(std::vector<Rejected>{{line, "junk", ""}});
    CHECK(lines_of(path).size() == 7 + 5);
    for (int i = 0; i < 40; ++i) file.add(line, "junk");
    CHECK(std::filesystem::file_size(path) > 7000);
    CHECK(std::filesystem::file_size(path) <= 8000);
}

TEST_CASE("many senders cannot make the file's books grow for ever") {
    Folder folder;
    RejectFile file(folder.path + "/rejected", 4u << 20);
    std::vector<Rejected> many;
    for (int i = 0; i < 20'000; ++i) many.push_back({"x", "junk", "pi-" + std::to_string(i)});
    file.add(many);
    // A thousand have a share each, all others one.
    CHECK(std::filesystem::file_size(folder.path + "/rejected") < (2u << 20));
}
