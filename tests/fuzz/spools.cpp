// A spool whose file was damaged: of a sound one, bytes are changed where the input says, three to a place: two for where, one for
// what. Whatever came of it, the spool opens, or is set aside and begun anew, and works.
#include <stdlib.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "base/error.hpp"
#include "fuzz.hpp"
#include "spool/durable_spool.hpp"

BLE_FUZZ_QUIET

namespace {

using namespace ble;
using fuzz::must;

constexpr DurableSpool::Bounds bounds{20, 100'000};
const std::string line = R"({"device_id":"pi-1","run_id":"r","seq":1,"detections":[]})";
const std::string gap =
    R"({"device_id":"pi-1","run_id":"r","gap":{"from_seq":2,"to_seq":3,"reason":"refused"}})";

std::string slurp(const std::string &path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

struct Folder {
    std::string path, sound;

    Folder() {
        char name[] = "/dev/shm/blepipe-fuzz-XXXXXX";
        must(::mkdtemp(name) != nullptr, "a folder in memory");
        path = name;
        {
            DurableSpool spool(file(), bounds);
            std::vector<std::string_view> lines(30, line);
            lines.push_back(gap);
            spool.push(lines, WhenFull::drop);
        }
        sound = slurp(file());
        must(sound.size() >= 4096, "a spool in one file");
    }
    ~Folder() { std::filesystem::remove_all(path); }
    std::string file() const { return path + "/spool"; }
    void empty() const {
        for (const auto &entry : std::filesystem::directory_iterator(path)) std::filesystem::remove(entry);
    }
};

void use(Spool &spool) {
    const std::string_view lines[] = {line};
    spool.push(lines, WhenFull::drop);
    for (int i = 0; i < 100; ++i) {
        const auto entry = spool.next();
        if (!entry) break;
        if (i % 3 == 0)
            spool.give_up(entry->id, "refused");
        else
            spool.remove(entry->id);
    }
    spool.oldest_age();
    spool.settle();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *bytes, std::size_t size) {
    static const Folder folder;
    folder.empty();
    std::string damaged = folder.sound;
    for (std::size_t i = 0; i + 2 < size; i += 3)
        damaged[(bytes[i] * 256u + bytes[i + 1]) % damaged.size()] = static_cast<char>(bytes[i + 2]);
    if (size % 3 == 1) damaged.resize(damaged.size() * bytes[size - 1] / 255);
    std::ofstream(folder.file(), std::ios::binary) << damaged;
    try {
        DurableSpool spool(folder.file(), bounds);
        use(spool);
    } catch (const Error &error) {
        // Damage met later, and what may be another program's.
        must(error.code() == ExitCode::io || error.code() == ExitCode::config, error.what());
    }
    return 0;
}
