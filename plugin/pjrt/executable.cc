// PJRT_Executable: facts about a compiled program; and the extension that reports shardings.
#include <cstring>

#include "plugin/pjrt/shim.h"

namespace ascend::pjrt {
namespace {

void give_kinds(MemoryKinds& a, const std::vector<MemoryKind>& kinds) {
  // The caller reads the lists before its next call in this thread.
  thread_local std::vector<const char*> names;
  thread_local std::vector<size_t> sizes;
  names.clear();
  sizes.clear();
  for (MemoryKind kind : kinds) {
    const std::string_view name = kMemoryKinds[static_cast<int>(kind)];
    names.push_back(name.data());
    sizes.push_back(name.size());
  }
  a.count = kinds.size();
  a.kinds = names.data();
  a.sizes = sizes.data();
}

// No list means that the program says nothing of shardings: true of programs for one device, and all that
// there is to say of no results.
void give_shardings(ShardingList& a, const std::vector<std::string>& shardings) {
  thread_local std::vector<const char*> texts;
  thread_local std::vector<size_t> sizes;
  texts.clear();
  sizes.clear();
  for (const std::string& sharding : shardings) {
    if (sharding.empty()) break;
    texts.push_back(sharding.data());
    sizes.push_back(sharding.size());
  }
  const bool all = !texts.empty() && texts.size() == shardings.size();
  a.count = all ? texts.size() : 0;
  a.shardings = all ? texts.data() : nullptr;
  a.sizes = all ? sizes.data() : nullptr;
}

void fill_statistics(Api& api) {
  fill(api.Executable_SizeOfGeneratedCodeInBytes_, [](Executable_SizeOfGeneratedCodeInBytes& a) {
    a.size = static_cast<int64_t>(a.executable->executable->program->bytes().size());
  });
  fill(api.Executable_GetCostAnalysis_, [](Executable_GetCostAnalysis& a) {
    auto view = a.executable->executable->cost.view();
    a.count = view.count;
    a.properties = view.items;
  });
  fill(api.Executable_GetCompiledMemoryStats_, [](Executable_GetCompiledMemoryStats& a) {
    const Executable& e = *a.executable->executable;
    auto number = [](uint64_t bytes) { return static_cast<int64_t>(bytes); };
    a.device = {number(e.program->bytes().size()), number(e.parameter_bytes), number(e.output_bytes),
                number(e.alias_bytes), number(e.program->workspace_bytes())};
    a.host = {};
    int64_t total = a.device.argument + a.device.output - a.device.alias + a.device.temp;
    if (has(a, a.peak_memory)) a.peak_memory = total;
    if (has(a, a.total_size)) a.total_size = total;
    if (has(a, a.total_allocation)) a.total_allocation = total;
    if (has(a, a.indefinite_allocations))
      a.indefinite_allocations = a.device.argument + a.device.output - a.device.alias;
    if (has(a, a.peak_unpadded_heap)) a.peak_unpadded_heap = a.device.temp;
  });
}

}  // namespace

void fill_executables(Api& api) {
  fill_statistics(api);
  fill(api.Executable_Destroy_, [](Executable_Destroy& a) { delete a.executable; });
  fill(api.Executable_Name_, [](Executable_Name& a) { a.name = a.executable->executable->header().name; });
  fill(api.Executable_NumReplicas_,
       [](Executable_NumReplicas& a) { a.count = a.executable->executable->assignment.replicas; });
  fill(api.Executable_NumPartitions_,
       [](Executable_NumPartitions& a) { a.count = a.executable->executable->assignment.partitions; });
  fill(api.Executable_NumOutputs_,
       [](Executable_NumOutputs& a) { a.count = a.executable->executable->output_ranks.size(); });
  fill(api.Executable_Fingerprint_,
       [](Executable_Fingerprint& a) { a.fingerprint = a.executable->executable->fingerprint; });
  fill(api.Executable_OutputElementTypes_, [](Executable_OutputElementTypes& a) {
    const auto& types = a.executable->executable->output_types;
    a.types = {types.data(), types.size()};
  });
  fill(api.Executable_OutputDimensions_, [](Executable_OutputDimensions& a) {
    const Executable& e = *a.executable->executable;
    a.count = e.output_ranks.size();
    a.dims = e.output_dims.data();
    a.ranks = e.output_ranks.data();
  });
  fill(api.Executable_ParameterMemoryKinds_, [](Executable_ParameterMemoryKinds& a) {
    give_kinds(a, a.executable->executable->header().parameter_memory);
  });
  fill(api.Executable_OutputMemoryKinds_, [](Executable_OutputMemoryKinds& a) {
    give_kinds(a, a.executable->executable->header().result_memory);
  });
  fill(api.Executable_OptimizedProgram_, [](Executable_OptimizedProgram& a) {
    const std::string& module = a.executable->executable->header().stablehlo;
    if (module.empty())
      throw ascend::Error(Code::kUnimplemented,
                          "[executable] the program does not carry its StableHLO module.");
    a.program->format = std::string_view("mlir");
    if (a.program->code)
      std::memcpy(a.program->code, module.data(), std::min(module.size(), a.program->code_size));
    a.program->code_size = module.size();
  });
  fill(api.Executable_GetCompileOptions_,
       [](Executable_GetCompileOptions& a) { give_bytes(a, a.executable->executable->compile_options); });
}

const Extension* shardings_extension() {
  static const ShardingsExtension extension = [] {
    ShardingsExtension e{};
    e.struct_size = sizeof(e);
    e.type = kShardingsExtension;
    fill(e.parameters, [](Shardings_Parameters& a) {
      give_shardings(a, a.executable->executable->header().parameter_sharding);
    });
    fill(e.outputs,
         [](Shardings_Outputs& a) { give_shardings(a, a.executable->executable->header().result_sharding); });
    return e;
  }();
  return &extension;
}

}  // namespace ascend::pjrt
