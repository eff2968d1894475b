#include "bleingest/teller.hpp"

namespace ble {

// Several events at once, as far as an ordinary pipe takes them: the reader is woken once for each write.
void Teller::write(const std::vector<std::string> &events) {
    constexpr std::size_t enough = 48 * 1024;
    std::string block;
    for (std::size_t i = 0; i < events.size() && !events_.gone();) {
        const auto first = i;
        block = events[i++];
        while (i < events.size() && block.size() + events[i].size() < enough)
            block.append(1, '\n').append(events[i++]);
        if (events_.line(block) || events_.gone()) continue;
        counters_.dropped += i - first;
        if (drops_said_.due())
            log_warning("the reader of the events does not keep up: events are dropped, batches are not");
    }
}

void Teller::warn_of(const std::vector<Twins> &twins) {
    if (twins.empty() || !twins_said_.due()) return;
    const auto &[device_id, run_ids, noticed_at] = twins.front();
    log_warning("two Pis use one device_id at the same time: " + printable(device_id) + " (run_id " +
                printable(run_ids[0]) + " and " + printable(run_ids[1]) +
                "). Was a card copied? Give each Pi its own --device-id. Until then nobody can see when one "
                "of the two fails; the view device_status shows these Pis");
}

void Teller::warn_of(const std::vector<Conflict> &conflicts) {
    if (conflicts.empty() || !conflicts_said_.due()) return;
    const auto &[device_id, position, stored_sender, sender] = conflicts.front();
    const auto by = [](const std::string &name) { return name.empty() ? "somebody" : printable(name); };
    log_warning("two different batches have the same device_id " + printable(device_id) + ", run_id " +
                printable(position.run_id) + ", seq " + std::to_string(position.seq) + ": the one from " +
                by(stored_sender) + " is stored; the other, from " + by(sender) +
                ", is rejected. One Pi never makes two: somebody else sends under its name. The view "
                "device_status counts conflicts for each Pi (" +
                std::to_string(counters_.conflicts.get().value_or(0)) + " since the start)");
}

}  // namespace ble
