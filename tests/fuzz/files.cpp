// Files that people write: filters, identity resolving keys, keys of an HTTP server, secrets. The first byte says which.
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.hpp"
#include "base/secret.hpp"
#include "base/unique_fd.hpp"
#include "fuzz.hpp"
#include "radio/air/private_address.hpp"
#include "radio/window/filter.hpp"
#include "server/api_keys.hpp"

BLE_FUZZ_QUIET

namespace {

using namespace ble;
using fuzz::must;

// A text as a file that has a name.
class MemoryFile {
  public:
    explicit MemoryFile(std::string_view text) : fd_(::memfd_create("file", MFD_CLOEXEC)) {
        must(::write(fd_.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()),
             "a file in memory");
    }
    std::string path() const { return "/proc/self/fd/" + std::to_string(fd_.get()); }

  private:
    UniqueFd fd_;
};

void read_filters(std::string_view text) {
    const MemoryFile file(text);
    Filter filter;
    filter.allow("@" + file.path());
    filter.deny("@" + file.path());
    Report report;
    const Advertisement advertisement;
    Filter::Verdict verdict;
    filter.judge(report, advertisement, verdict);
    if (const auto reason = filter.hidden_by(verdict))
        must(*reason < filter.reasons().size(), "a reason that there is");
}

void read_identities(std::string_view text) {
    IdentityResolver resolver(text, "keys");
    must(resolver.size() > 0 && resolver.size() <= IdentityResolver::most_keys, "so many keys");
    Address address{};
    resolver.resolve(address, Time{});
}

void read_secret(std::string_view text) {
    const MemoryFile file(text);
    if (const auto secret = find_secret(file.path(), "BLEPIPE_FUZZ")) {
        must(!secret->empty() && secret->find('\n') == secret->npos, "a secret is a line", *secret);
        must(text.find(*secret) != text.npos, "of the file", *secret);
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    if (size == 0) return 0;
    const std::string_view text = fuzz::text(bytes + 1, size - 1);
    try {
        switch (bytes[0] % 4) {
            case 0:
                read_filters(text);
                break;
            case 1:
                read_identities(text);
                break;
            case 2:
                ApiKeys(text, "keys").owner("a key");
                break;
            default:
                read_secret(text);
        }
    } catch (const Error &error) {
        must(error.code() == ExitCode::config, error.what());
        const std::string said = error.what();
        must(said.find('\n') == said.npos && said.find('\x1b') == said.npos,
             "what is said is one harmless line", said);
    }
    return 0;
}
