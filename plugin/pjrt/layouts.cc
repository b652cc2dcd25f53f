// The layouts extension: every array is stored row-major, "{1,0}" in the notation the caller parses.
#include <deque>

#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {

struct Layout {
  std::string text;
};

namespace {

// Layouts live as long as the process: there are as many as ranks.
Layout* row_major(size_t rank) {
  static std::mutex mutex;
  static std::deque<Layout> layouts;
  std::lock_guard lock(mutex);
  while (layouts.size() <= rank) {
    std::string text = "{";
    for (size_t i = layouts.size(); i-- > 0;) text += std::to_string(i) + (i ? "," : "");
    layouts.push_back({text + "}"});
  }
  return &layouts[rank];
}

// The caller reads the list before its next call in this thread.
void give_layouts(const std::vector<size_t>& ranks, size_t& count, Layout**& layouts) {
  thread_local std::vector<Layout*> list;
  list.clear();
  for (size_t rank : ranks) list.push_back(row_major(rank));
  count = list.size();
  layouts = list.data();
}

}  // namespace

const Extension* layouts_extension() {
  static const LayoutsExtension extension = [] {
    LayoutsExtension e{};
    e.struct_size = sizeof(e);
    e.type = kLayoutsExtension;
    e.next = memory_descriptions_extension();
    fill(e.destroy, [](Layouts_Destroy&) {});
    fill(e.serialize, [](Layouts_Serialize& a) { give_bytes(a, a.layout->text); });
    fill(e.client_default, [](Layouts_ClientDefault& a) { a.layout = row_major(a.dims.count); });
    fill(e.topology_default, [](Layouts_TopologyDefault& a) { a.layout = row_major(a.dims.count); });
    fill(e.of_buffer, [](Layouts_OfBuffer& a) { a.layout = row_major(a.buffer->dims.size()); });
    fill(e.outputs, [](Layouts_Outputs& a) {
      give_layouts(a.executable->executable->output_ranks, a.count, a.layouts);
    });
    fill(e.parameters, [](Layouts_Parameters& a) {
      std::vector<size_t> ranks;
      for (const TensorSpec& spec : a.executable->executable->program->parameters())
        ranks.push_back(spec.dims.size());
      give_layouts(ranks, a.count, a.layouts);
    });
    return e;
  }();
  return &extension;
}

}  // namespace ascend::pjrt
