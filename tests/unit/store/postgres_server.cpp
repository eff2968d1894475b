#include "postgres_server.hpp"

#include <fcntl.h>
#include <grp.h>
#include <libpq-fe.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <thread>

namespace ble::test {
namespace {

std::string output_of(const char *command) {
    std::string out;
    std::array<char, 256> some{};
    const std::unique_ptr<FILE, int (*)(FILE *)> pipe(::popen(command, "r"), ::pclose);
    while (pipe && std::fgets(some.data(), some.size(), pipe.get()) != nullptr) out += some.data();
    while (!out.empty() && out.back() == '\n') out.pop_back();
    return out;
}

// The server refuses to run as root.
void become_another() {
    const passwd *const other = ::getpwnam("nobody");
    if (::getuid() != 0) return;
    if (other == nullptr || ::setgroups(0, nullptr) != 0 || ::setgid(other->pw_gid) != 0 ||
        ::setuid(other->pw_uid) != 0)
        ::_exit(77);
}

int start(const std::vector<std::string> &words, const std::string &log) {
    std::vector<char *> argv;
    for (const auto &word : words) argv.push_back(const_cast<char *>(word.c_str()));
    argv.push_back(nullptr);
    const int pid = ::fork();
    if (pid != 0) return pid;
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    become_another();
    ::prctl(PR_SET_PDEATHSIG, SIGQUIT);  // a change of user clears it
    const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
    ::dup2(out, STDOUT_FILENO);
    ::dup2(out, STDERR_FILENO);
    if (::chdir("/") != 0) ::_exit(71);
    ::execv(argv[0], argv.data());
    ::_exit(72);
}

}  // namespace

PostgresServer &PostgresServer::get() {
    static PostgresServer server;
    return server;
}

PostgresServer::PostgresServer() {
    std::string pattern = (std::filesystem::temp_directory_path() / "blepipe-pg-XXXXXX").string();
    folder_ = ::mkdtemp(pattern.data());
    if (const passwd *const other = ::getpwnam("nobody"); ::getuid() == 0 && other != nullptr)
        if (::chown(folder_.c_str(), other->pw_uid, other->pw_gid) != 0) throw std::runtime_error("chown");
    const std::string bin = output_of("pg_config --bindir"), data = folder_ + "/data", log = folder_ + "/log";
    if (!std::filesystem::exists(bin + "/initdb"))
        throw std::runtime_error("no PostgreSQL server in '" + bin + "': scripts/packages unit installs it");
    int status = 0;
    ::waitpid(start({bin + "/initdb", "-D", data, "-U", "tester", "--auth=trust", "--no-sync", "-E", "UTF8",
                     "--locale=C.UTF-8"},
                    log),
              &status, 0);
    if (status != 0) throw std::runtime_error("initdb failed: " + log);
    // No power is cut here, so nothing has to be on the disk.
    pid_ = start(
        {bin + "/postgres", "-D", data, "-c", "listen_addresses=", "-c", "unix_socket_directories=" + folder_,
         "-c", "fsync=off", "-c", "autovacuum=off", "-c", "max_connections=40"},
        log);
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (::PQping(uri("postgres").c_str()) != PQPING_OK) {
        if (std::chrono::steady_clock::now() > end)
            throw std::runtime_error("PostgreSQL does not start: " + log);
        std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
}

PostgresServer::~PostgresServer() {
    ::kill(pid_, SIGQUIT);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(folder_);
}

std::string PostgresServer::uri(const std::string &database) const {
    std::string host;
    for (const char c : folder_) host += c == '/' ? "%2F" : std::string(1, c);
    return "postgresql://tester@" + host + "/" + database;
}

std::string PostgresServer::make_database() {
    const std::string name = "store_" + std::to_string(++databases_);
    Client(uri("postgres")).rows("CREATE DATABASE " + name);
    return uri(name);
}

Client::Client(const std::string &uri) : link_(::PQconnectdb(uri.c_str()), ::PQfinish) {
    if (::PQstatus(link_.get()) != CONNECTION_OK) throw std::runtime_error(::PQerrorMessage(link_.get()));
    rows("SET search_path = blepipe");
}

std::vector<std::string> Client::rows(const std::string &sql) {
    constexpr Oid truth = 16;
    const std::unique_ptr<PGresult, void (*)(PGresult *)> result(::PQexec(link_.get(), sql.c_str()),
                                                                 ::PQclear);
    const auto status = ::PQresultStatus(result.get());
    if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK)
        throw std::runtime_error(sql + ": " + ::PQresultErrorMessage(result.get()));
    std::vector<std::string> rows;
    for (int row = 0; row < ::PQntuples(result.get()); ++row) {
        std::string line;
        for (int column = 0; column < ::PQnfields(result.get()); ++column) {
            std::string value = ::PQgetvalue(result.get(), row, column);
            if (::PQftype(result.get(), column) == truth && !value.empty()) value = value == "t" ? "1" : "0";
            line.append(column > 0 ? "|" : "").append(value);
        }
        rows.push_back(line);
    }
    return rows;
}

}  // namespace ble::test
