#include <clocale>

#include "batch/shown_text.hpp"
#include "catch.hpp"
#include "top/intake.hpp"
#include "top/marks.hpp"
#include "top/viewer.hpp"

using namespace ble;
using namespace std::chrono_literals;

namespace {

constexpr auto start = 1'000'000ms;

std::string detection(char digit, int rssi, const std::string &more = "") {
    return R"({"device_hash":")" + std::string(64, digit) + R"(","rssi":)" + std::to_string(rssi) +
           R"(,"zone":")" + (rssi >= -60 ? "near" : "far") + R"(","timestamp":"2026-11-22T06:30:10Z")" +
           more + "}";
}

// Pages of a model that some lines were read into.
struct Seen {
    AirModel model{AirModel::Limits{}};
    Intake intake{model};
    Viewer viewer{model, Viewer::Screen::advertisers};
    Surface surface{12, 100, false};
    Moment now{start, *parse_rfc3339("2026-11-22T06:30:10Z")};

    void hear(const std::string &pi, const std::string &detections) {
        const std::string line = R"({"device_id":")" + pi +
                                 R"(","window_ms":10000,"timestamp":"2026-11-22T06:30:10Z","detections":[)" +
                                 detections + "]}";
        REQUIRE(intake.take(line, now));
    }
    void press(const std::string &keys) {
        for (const char key : keys) viewer.press({Key::Kind::text, std::string(1, key)}, now);
    }
    void press(Key::Kind kind) { viewer.press({kind, {}}, now); }
    std::vector<std::string> lines() {
        std::vector<std::string> texts;
        const Page page = viewer.page(surface, now, "reading", "");
        for (const auto &line : page.lines) texts.push_back(text_of(line));
        texts.push_back(text_of(page.footer));
        return texts;
    }
    // The first word of each row of the table.
    std::string first_words() {
        std::string words;
        const auto all = lines();
        for (std::size_t i = 2; i + 1 < all.size(); ++i) words += all[i].substr(0, all[i].find(' ')) + " ";
        return words;
    }
    std::string whole() {
        std::string text;
        for (const auto &line : lines()) text += line + "\n";
        return text;
    }
};

Seen three() {
    Seen seen;
    seen.hear("pi-b", detection('a', -70, R"(,"count":50,"local_name":"Zeta")") + "," +
                          detection('b', -50, R"(,"count":10)"));
    seen.hear("pi-a", detection('c', -60, R"(,"count":90,"local_name":"Alpha")"));
    return seen;
}

constexpr const char *a = "aaaaaaaa ", *b = "bbbbbbbb ", *c = "cccccccc ";

}  // namespace

TEST_CASE("the table is sorted by each column, both ways") {
    Seen seen = three();
    const auto order = [](const char *x, const char *y, const char *z) { return std::string(x) + y + z; };
    CHECK(seen.first_words() == order(b, c, a));  // the strongest first
    seen.press("r");
    CHECK(seen.first_words() == order(a, c, b));
    seen.press("1");
    seen.press("r");
    CHECK(seen.first_words() == order(c, b, a));
    seen.press("1");
    CHECK(seen.first_words() == order(a, b, c));
    seen.press("2");
    CHECK(seen.first_words() == order(c, a, b));  // without a name last
    seen.press("6");
    CHECK(seen.first_words() == order(c, a, b));
    seen.press("6");
    CHECK(seen.first_words() == order(b, a, c));
    seen.press("8");
    CHECK(seen.first_words() == order(c, a, b));
    seen.press("<");
    CHECK(seen.lines()[1].find("zonev") != std::string::npos);
}

TEST_CASE("the filter lets through what has its text, and Esc ends it") {
    Seen seen = three();
    seen.press("/ZeT");
    CHECK(seen.first_words() == a);
    CHECK(seen.lines().back() == "/ZeT_");
    CHECK(seen.lines()[0].find("1 of 3 advertisers") != std::string::npos);
    seen.press(Key::Kind::backspace);
    seen.press(Key::Kind::enter);
    CHECK(seen.lines().back().find("/Ze") == 0);
    seen.press("q");  // a command again, not a letter of the filter
    CHECK(seen.viewer.quit());
    seen.press(Key::Kind::escape);
    CHECK(seen.first_words().size() == 27);
    seen.press("/pi-a");
    CHECK(seen.first_words() == c);
    seen.press(Key::Kind::escape);
    seen.press("/near");
    CHECK(seen.first_words() == std::string(b) + c);
}

TEST_CASE("the chosen row is the advertiser and not the place, and stays in sight") {
    Seen seen = three();
    seen.surface.rows = 4;  // room for one row
    CHECK(seen.first_words() == b);
    seen.press(Key::Kind::end);
    CHECK(seen.first_words() == a);
    seen.press(Key::Kind::escape);
    seen.press(Key::Kind::down);
    CHECK(seen.first_words() == b);
    seen.press(Key::Kind::down);
    CHECK(seen.first_words() == c);
    seen.press("r");
    CHECK(seen.first_words() == c);
    seen.press(Key::Kind::end);
    CHECK(seen.first_words() == b);
    seen.press(Key::Kind::home);
    CHECK(seen.first_words() == a);
    seen.press(Key::Kind::up);
    CHECK(seen.first_words() == a);
}

TEST_CASE("what is frozen stays, and goes on later with all that came") {
    Seen seen = three();
    seen.press(" ");
    seen.now.steady += 20s;
    seen.hear("pi-a", detection('d', -40));
    CHECK(seen.first_words().size() == 27);
    CHECK(seen.lines()[0].find("FROZEN") != std::string::npos);
    CHECK(seen.whole().find("20 s") == std::string::npos);
    seen.press("r");
    CHECK(seen.first_words().substr(0, 9) == a);
    seen.press("r ");
    CHECK(seen.first_words().substr(0, 9) == "dddddddd ");
    CHECK(seen.whole().find("20 s") != std::string::npos);
}

TEST_CASE("one advertiser is shown with its history at each Pi") {
    Seen seen = three();
    seen.now.steady += 30s;
    seen.hear("pi-c", detection('a', -80, R"(,"local_name":"Zeta")"));
    seen.press("/Zeta");
    seen.press(Key::Kind::enter);
    seen.press(Key::Kind::down);
    seen.press(Key::Kind::enter);
    const auto text = seen.whole();
    for (const char *said : {"advertiser  aaaaaaaaaaaaaaaa", "name        Zeta", "nearest Pi  pi-b", "pi-b",
                             "pi-c", "-80 far", "-1:00", "now"})
        CHECK(text.find(said) != std::string::npos);
    seen.model.expire(start + 1h);
    CHECK(seen.whole().find("not heard any more") != std::string::npos);
    seen.press(Key::Kind::escape);
    CHECK(seen.lines()[0].find("0 advertisers") != std::string::npos);
}

TEST_CASE("the other screens: Pis and help") {
    Seen seen = three();
    REQUIRE(seen.intake.take(
        R"({"device_id":"pi-b","run_id":"r","gap":{"from_seq":2,"to_seq":4,"reason":"expired"}})", seen.now));
    seen.press("p");
    CHECK(seen.first_words() == "pi-a pi-b ");
    CHECK(seen.lines()[3].find(" 3 ") != std::string::npos);
    seen.press("8");
    CHECK(seen.first_words() == "pi-b pi-a ");
    seen.press("?");
    CHECK(seen.whole().find("filter as you type") != std::string::npos);
    seen.press("?");
    CHECK(seen.first_words() == "pi-b pi-a ");
    seen.press(Key::Kind::tab);
    CHECK(seen.lines()[0].find("3 advertisers, 2 Pis") != std::string::npos);
}

TEST_CASE("no line is wider than the terminal, however narrow, and an empty model is shown") {
    Seen seen = three();
    Seen none;
    for (Seen *one : {&seen, &none})
        for (const char *screen : {"", "p", "?"}) {
            one->press(screen);
            for (const std::size_t columns : {40, 45, 60, 80, 200}) {
                one->surface.columns = columns;
                const Page page = one->viewer.page(one->surface, one->now, "reading", "");
                for (const auto &line : page.lines) {
                    std::size_t width = 0;
                    for (const Piece &piece : line) width += piece.text.size();
                    if (std::string(screen) != "?") CHECK(width <= columns);
                }
            }
        }
    none.press("?");
    none.press(Key::Kind::down);
    none.press(Key::Kind::enter);
    CHECK(none.lines().size() >= 3);
}

TEST_CASE("text of others is as wide as it shall be and does nothing to a terminal") {
    CHECK(fit("abc", 5, false) == "abc  ");
    CHECK(fit("abc", 5, false, Align::right) == "  abc");
    CHECK(fit("abcdef", 5, false) == "abcd~");
    CHECK(fit("abcde", 5, false) == "abcde");
    CHECK(fit("abc", 0, false).empty());
    CHECK(fit("\x1b[2Jx\x07\n", 8, false) == "?[2Jx?? ");
    CHECK(fit("\xff\xc3", 3, false) == "?? ");
    CHECK(fit("h\xc3\xb6r", 4, false) == "h?r ");
    CHECK(fit("\xe2\x80\xae"
              "evil\xc2\x9b",
              7, false) == "?evil? ");
    if (std::setlocale(LC_CTYPE, "C.UTF-8") == nullptr) return;
    CHECK(fit("h\xc3\xb6r", 4, true) == "h\xc3\xb6r ");
    CHECK(fit("\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e", 5, true) == "\xe6\x97\xa5\xe6\x9c\xac\xe2\x80\xa6");
    CHECK(fit("\xe6\x97\xa5\xe6\x9c\xac", 2, true) == "\xe2\x80\xa6 ");
    CHECK(fit("a\xcc\x81\xcc\x81\xcc\x81", 3, true) == "a  ");  // characters without a width can be piled up
    CHECK(fit("\xe2\x80\xae"
              "evil\xc2\x9b",
              7, true) == "?evil? ");
    std::setlocale(LC_CTYPE, "C");
}

TEST_CASE("pictures and times") {
    CHECK(rssi_bar(-100, 4, false) == "    ");
    CHECK(rssi_bar(-40, 4, false) == "####");
    CHECK(rssi_bar(-70, 4, false) == "##  ");
    CHECK(rssi_bar(-127, 4, true) == "    ");
    CHECK(rssi_bar(20, 2, true) == "██");
    const std::vector<std::optional<int>> values = {-100, {}, -40};
    CHECK(rssi_line(values, false) == "_ #");
    CHECK(rssi_line(values, true) == "▁ █");
    CHECK(short_time(-5s) == "0 s");
    CHECK(short_time(59'999ms) == "59 s");
    CHECK(short_time(185s) == "3:05");
    CHECK(short_time(7'500s) == "2h05");
    CHECK(short_time(100h) == "4 d");
}
