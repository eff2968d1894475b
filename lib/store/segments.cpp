#include "store/segments.hpp"

#include <algorithm>
#include <utility>

#include "store/scattered.hpp"

namespace ble {

std::vector<Segment> segments_of(const std::vector<ArchivedRow> &batches) {
    std::vector<Segment> all;
    for (const auto &batch : batches)
        if (batch.oldest)
            all.push_back({*batch.oldest, *batch.newest, batch.id, batch.id,
                           are_scattered(*batch.oldest, *batch.newest)});
    return join(std::move(all));
}

std::vector<Segment> join(std::vector<Segment> all, std::int64_t apart_ms) {
    std::sort(all.begin(), all.end(), [](const Segment &a, const Segment &b) {
        return a.scattered != b.scattered ? a.scattered : a.oldest < b.oldest;
    });
    std::vector<Segment> out;
    for (const auto &one : all) {
        if (out.empty() || one.scattered || out.back().scattered ||
            one.oldest - apart_ms > out.back().newest) {
            out.push_back(one);
            continue;
        }
        Segment &joined = out.back();
        joined.newest = std::max(joined.newest, one.newest);
        joined.first_id = std::min(joined.first_id, one.first_id);
        joined.last_id = std::max(joined.last_id, one.last_id);
    }
    return out;
}

}  // namespace ble
