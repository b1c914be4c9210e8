# TensorFlow 1.14 on the GPU (Python 3.6), or any current TensorFlow GPU image:
#   docker build --build-arg BASE_IMAGE=tensorflow/tensorflow:latest-gpu -t stylegan2 .
# Older CUDA images are wrong or slow on newer GPUs, see the table in README.md.
# Several GPUs (never tried): docker run --gpus all --shm-size=1g --ulimit memlock=-1 ... stylegan2 run_training.py --num-gpus=8
# since NCCL, which sums their gradients, has its buffers in shared, pinned memory; Docker's default is 64 MB.
ARG BASE_IMAGE=tensorflow/tensorflow:1.14.0-gpu-py3
FROM ${BASE_IMAGE}
# Of the GPUs that the image is for, such as 70,75; otherwise CUDA kernels are built at first use, if the image has nvcc.
ARG CUDA_ARCHS=

# The image of TensorFlow 1.14 has a pip that takes packages made for newer Pythons; nothing comes from apt, whose key
# for the CUDA packages has been replaced since that image was made.
COPY requirements-base.txt /opt/stylegan2/
RUN if python3 -c 'import sys; sys.exit(sys.version_info >= (3, 7))'; then \
        python3 -m pip install --no-cache-dir pip==21.3.1; \
    fi \
    && python3 -m pip install --no-cache-dir --prefer-binary -r /opt/stylegan2/requirements-base.txt

COPY . /opt/stylegan2
RUN python3 -m compileall -q /opt/stylegan2 \
    && mkdir -p /cache/ops /data /results /home/stylegan2/.cache \
    && chmod 1777 /cache /cache/ops /data /results /home/stylegan2 /home/stylegan2/.cache \
    && ln -s /results /opt/stylegan2/results

# The native operations for the processor that the image is built on; without a compiler plain TensorFlow does their work.
# They lie in the home, which is searched after /cache, because a folder of the host is usually mounted there.
WORKDIR /opt/stylegan2
RUN export STYLEGAN2_CACHE=/home/stylegan2/.cache/stylegan2 \
    && if [ -n "${CUDA_ARCHS}" ]; then \
        python3 -m dnnlib.tflib.ops.build --cuda-archs="${CUDA_ARCHS}"; \
    else \
        python3 -m dnnlib.tflib.ops.build || echo 'The image has no native operations.'; \
    fi

# Any uid works, with or without a passwd entry: all that is written goes to /results, /cache and this home.
ENV HOME=/home/stylegan2 \
    USER=stylegan2 \
    STYLEGAN2_CACHE=/cache \
    PYTHONUNBUFFERED=1 \
    TF_CPP_MIN_LOG_LEVEL=1
VOLUME ["/cache", "/data", "/results"]
USER 1000:1000

ENTRYPOINT ["python3"]
CMD ["run_generator.py", "--help"]
