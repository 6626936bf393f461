-- CreateTable
CREATE TABLE "studio_models" (
    "id" TEXT NOT NULL,
    "appSlug" TEXT NOT NULL,
    "title" TEXT NOT NULL,
    "provider" TEXT NOT NULL,
    "creditsPerUse" INTEGER NOT NULL DEFAULT 1,
    "listed" BOOLEAN NOT NULL DEFAULT true,
    "createdAt" TIMESTAMP(3) NOT NULL DEFAULT CURRENT_TIMESTAMP,

    CONSTRAINT "studio_models_pkey" PRIMARY KEY ("id")
);

-- CreateIndex
CREATE INDEX "studio_models_appSlug_idx" ON "studio_models"("appSlug");
