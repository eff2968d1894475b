#include <fcntl.h>
#include <openssl/crypto.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/command_line.hpp"
#include "base/log.hpp"

namespace ble {
namespace {

// A closed standard descriptor would be given to the next file opened, a database for instance, which then receives
// what was meant for standard output. Writing to the one held for standard output fails: nothing is safe there.
void hold_standard_descriptors() {
    for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO})
        if (::fcntl(fd, F_GETFD) < 0) ::open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY);
}

// What a tool writes can be personal data: its owner's, and its group's to read, whatever the umask it was started with.
// Of all files alike, those that libraries make too: SQLite's, and its log and index beside them. A stricter umask stays.
void keep_files_from_others() {
    ::umask(::umask(077) | 027);
}

// At the end of the process a thread may still speak TLS (one that looks at a broker's certificate, for one), so OpenSSL
// must not clean up under it; all it holds goes with the process.
void keep_openssl() {
    OPENSSL_init_crypto(OPENSSL_INIT_NO_ATEXIT, nullptr);
}

// Asked for counters before there is a Lifecycle to tell them, a tool waits with the answer, where it would be killed.
void block_usr1() {
    sigset_t set;
    ::sigemptyset(&set);
    ::sigaddset(&set, SIGUSR1);
    ::pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

}  // namespace

int run_tool_guarded(const std::string &tool, const std::function<ExitCode()> &body) {
    hold_standard_descriptors();
    keep_files_from_others();
    keep_openssl();
    block_usr1();
    set_log_name(tool);
    try {
        return static_cast<int>(body());
    } catch (const ReaderGone &gone) {
        return static_cast<int>(gone.code());
    } catch (const Error &error) {
        log_error(error.what());
        return static_cast<int>(error.code());
    } catch (const std::exception &error) {
        log_error(std::string("a fault of this program: ") + error.what());
        return static_cast<int>(ExitCode::software);
    }
}

}  // namespace ble
