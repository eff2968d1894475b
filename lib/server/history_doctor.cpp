#include "server/history_doctor.hpp"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <utility>

#include "server/history.hpp"

namespace ble {
namespace {

constexpr const char *name = "database";
constexpr std::string_view listens = "\"state\":\"listening\"", pi = "\"state\":\"",
                           detail = "{\"detail\":\"";

History::Answer ask(const Workers::Options &workers, const std::string &question) {
    History history(workers);
    std::shared_ptr<const History::Answer> answer;
    history.ask(question, [&answer](auto ready) { answer = std::move(ready); });
    while (!answer) {
        pollfd wait{history.fd(), POLLIN, 0};
        ::poll(&wait, 1, -1);
        history.step();
    }
    return *answer;
}

std::size_t count(std::string_view text, std::string_view what) {
    std::size_t found = 0;
    for (auto at = text.find(what); at != text.npos; at = text.find(what, at + what.size())) ++found;
    return found;
}

std::string reason_in(const std::string &body) {
    const auto end = body.rfind("\"}");
    if (!body.starts_with(detail) || end == body.npos) return body;
    return body.substr(detail.size(), end - detail.size());
}

}  // namespace

Finding examine_history(Workers::Options workers, const std::string &db) {
    const bool file = db.find("://") == db.npos;
    if (file && ::access(db.c_str(), F_OK) != 0 && errno == ENOENT)
        return Finding::warning(
            name, db + " is not there: the page has no history",
            "bleingest makes it when it starts: bleingest --doctor; or name another --db");
    std::erase_if(workers.environment, [](const auto &entry) { return entry.starts_with("LOG_LEVEL="); });
    workers.environment.emplace_back("LOG_LEVEL=error");  // the answer has what it would say
    const auto answer = ask(workers, "pis\t--limit=" + std::to_string(History::most_rows));
    if (answer.status != 200)
        return Finding::failed(
            name, reason_in(answer.body),
            file ? "ls -l " + db + "*; is blews in the group of the file? blequery pis --db " + db
                 : "blequery pis --db '" + db + "'; is the server up, and is the password in PGPASSFILE?");
    const auto pis = count(answer.body, pi), live = count(answer.body, listens);
    const std::string found =
        db + " can be read: " + std::to_string(live) + " of its " + std::to_string(pis) + " Pis listen now";
    if (live > 0) return Finding::ok(name, found);
    return Finding::warning(name, found,
                            "is it the one that bleingest stores in? bleingest --doctor; blequery pis");
}

}  // namespace ble
