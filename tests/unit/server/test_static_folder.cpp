#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "catch.hpp"

#include "base/error.hpp"
#include "server/static_folder.hpp"

namespace fs = std::filesystem;
using ble::StaticFolder;

namespace {
// A folder "www" beside a file that must never be served.
struct Scratch {
    Scratch() {
        char name[] = "/tmp/blepipe-unit-XXXXXX";
        root = mkdtemp(name);
        fs::create_directories(root / "www/sub/.git");
        write("secret.txt", "secret");
        write("www/index.html", "<p>hello</p>");
        write("www/app.js", "1");
        write("www/.hidden", "h");
        write("www/no type", "?");
        write("www/sub/index.html", "sub");
        write("www/sub/.git/config", "c");
        fs::create_symlink(root / "secret.txt", root / "www/link.txt");
        fs::create_symlink(root, root / "www/up");
        mkfifo((root / "www/fifo").c_str(), 0600);
    }
    ~Scratch() { fs::remove_all(root); }
    void write(const char *name, const char *text) const { std::ofstream(root / name) << text; }
    fs::path root;
};

std::string content(const ble::StaticFile &file) {
    std::string text(static_cast<std::size_t>(file.size), '\0');
    const ssize_t got = pread(file.fd.get(), text.data(), text.size(), 0);
    REQUIRE(got == static_cast<ssize_t>(text.size()));
    return text;
}
}  // namespace

TEST_CASE("files are found with their type, folders by their index") {
    const Scratch scratch;
    const StaticFolder folder(scratch.root / "www");
    const auto page = folder.open("/");
    REQUIRE(page);
    CHECK(content(*page) == "<p>hello</p>");
    CHECK(page->type == "text/html; charset=utf-8");
    CHECK(folder.open("/app.js")->type == "text/javascript; charset=utf-8");
    CHECK(folder.open("/no type")->type == "application/octet-stream");
    CHECK(content(*folder.open("/sub/")) == "sub");
    CHECK(content(*folder.open("/sub/index.html")) == "sub");
}

TEST_CASE("the tag of a file changes with its content") {
    const Scratch scratch;
    const StaticFolder folder(scratch.root / "www");
    const std::string before = folder.open("/app.js")->tag;
    CHECK(folder.open("/app.js")->tag == before);
    scratch.write("www/app.js", "12");
    CHECK(folder.open("/app.js")->tag != before);
}

TEST_CASE("nothing outside the folder, hidden, linked or special is served") {
    const Scratch scratch;
    const StaticFolder folder(scratch.root / "www");
    for (const char *path :
         {"/../secret.txt", "/sub/../../secret.txt", "//secret.txt", "/./app.js", "secret.txt", "",
          "/link.txt", "/up/secret.txt", "/.hidden", "/sub/.git/config", "/fifo", "/sub", "/missing",
          "/app.js/", "/app.js/x", "/..", "/../www/index.html", "//", "/sub//index.html"})
        CHECK_FALSE(folder.open(path));
    CHECK_FALSE(folder.open(std::string("/app.js\0.html", 13)));
    CHECK_FALSE(folder.open("/" + std::string(100'000, 'a')));
    CHECK_FALSE(folder.open("/" + std::string(300, 'a')));
}

TEST_CASE("a folder that is none is a configuration error") {
    const Scratch scratch;
    CHECK_THROWS_AS(StaticFolder(scratch.root / "absent"), ble::Error);
    CHECK_THROWS_AS(StaticFolder(scratch.root / "secret.txt"), ble::Error);
}
