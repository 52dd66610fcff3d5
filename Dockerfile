# hindi-bn without CUDA: docker build -t hindi-bn . && docker run --rm -v "$PWD:/work" hindi-bn reproduce
FROM python:3.13-slim AS build
COPY . /source
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels /source

FROM python:3.13-slim
COPY constraints.txt /
COPY --from=build /wheels /wheels
# torch and torchvision without CUDA, a quarter of the size; all else from PyPI.
RUN pip install --no-cache-dir --no-deps --constraint /constraints.txt \
        --index-url https://download.pytorch.org/whl/cpu torch torchvision && \
    pip install --no-cache-dir --constraint /constraints.txt /wheels/*.whl
# Folders that any user may write: --user "$(id -u)" leaves files that are yours.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /work
ENTRYPOINT ["hindi-bn"]
CMD ["--help"]
