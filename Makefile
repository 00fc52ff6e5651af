.PHONY: build test sim fuzz bench golden fmt check images

build:  ; tools/build
test:   ; ./test
check:  ; dotnet format Mesh.sln --verify-no-changes --no-restore && dotnet build Mesh.sln -v q && tests/Tests/bin/Debug/net10.0/Mesh.Tests
sim:    ; MESH_SEED=$(SEED) tests/Tests/bin/Debug/net10.0/Mesh.Tests -namespace 'Mesh.Tests.Proxy*'
fuzz:   ; dotnet run --project tests/Fuzz -c Release -- $(ARGS)
bench:  ; tools/install bench && bench/run $(ARGS)
golden: ; MESH_GOLDEN=1 tests/Tests/bin/Debug/net10.0/Mesh.Tests -namespace 'Mesh.Tests.Cases'
fmt:    ; dotnet format Mesh.sln
images: ; tools/images
